import { kernelRefused, errnoNumber } from './errno';

/** Path components of lower-case names and interface names; interface names may hold anything but a slash or white space. */
const COMPONENT = /^[^/\s\0]+$/;

/**
 * Refuses everything that could leave /proc/sys: absolute paths, empty components, `.` and `..`. Throws KERNEL_REFUSED with
 * EINVAL.
 */
export function checkSysctlPath(path: string): void {
  const sound = path.split('/').every((part) => COMPONENT.test(part) && part !== '.' && part !== '..');
  if (!sound) {
    throw kernelRefused(`sysctl ${JSON.stringify(path)}`, errnoNumber('EINVAL'), 'not a path below /proc/sys');
  }
}
