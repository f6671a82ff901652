export function drawTopologySvg(_r: unknown): string {
  return '';
}
