/** The few SVG elements that the picture is made of. All text is escaped here and nowhere else. */

export type Attributes = Readonly<Record<string, string | number | undefined>>;

export const SANS = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";
export const MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace";

export function escapeXml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const list = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escapeXml(typeof value === 'number' ? short(value) : String(value))}"`)
    .join('');
  return children.length === 0 ? `<${name}${list}/>` : `<${name}${list}>${children.join('')}</${name}>`;
}

export interface TextStyle {
  readonly size?: number;
  readonly fill?: string;
  readonly weight?: number;
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly mono?: boolean;
}

/** `y` is the base line. */
export function text(x: number, y: number, content: string, style: TextStyle = {}): string {
  const { size = 14, fill = '#1f2937', weight = 400, anchor = 'start', mono = false } = style;
  const attributes = { x, y, fill, 'font-size': size, 'font-weight': weight, 'text-anchor': anchor };
  return element('text', { ...attributes, 'font-family': mono ? MONO : SANS }, escapeXml(content));
}

export function rect(x: number, y: number, width: number, height: number, attributes: Attributes = {}): string {
  return element('rect', { x, y, width, height, ...attributes });
}

export function path(d: string, attributes: Attributes = {}): string {
  return element('path', { d, fill: 'none', ...attributes });
}

/** At most one decimal, so that the file stays small and the same on every machine. */
export function short(value: number): string {
  return String(Math.round(value * 10) / 10);
}
