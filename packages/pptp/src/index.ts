/** PPTP (RFC 2637) as sans-IO machines, both roles: the control connection and enhanced GRE. */
export { CallTable } from './call-table.ts';
export type { ControlConnection, ControlEvent } from './control-connection.ts';
export { callIdOf, GRE_HEADER_BYTES, GRE_PROTOCOL, isGre } from './gre-header.ts';
export { GreTunnel } from './gre-tunnel.ts';
export { PacConnection } from './pac-connection.ts';
export { PnsConnection } from './pns-connection.ts';
