export { dropResumed, resumePacketLoop, takeResumed, type Resumption, type ResumedLoop } from './resume-packet-loop';
