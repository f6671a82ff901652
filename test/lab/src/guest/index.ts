export { findGuestKernel, guestKernelIn, guestKernelOrSkip, isAtLeast, type GuestKernel } from './guest-kernel';
export { runInGuest, type GuestOptions } from './run-in-guest';
