/** L2TP (RFC 2661) as sans-IO machines, LNS and LAC. */
export { L2tpEndpoint } from './endpoint.ts';
export type { Carrier, L2tpEvent, PeerFacts } from './event.ts';
export { DATA_HEADER_BYTES } from './header.ts';
export type { Session } from './session.ts';
