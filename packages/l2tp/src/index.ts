/** L2TP (RFC 2661) as sans-IO machines, LNS and LAC. */
export {
  type ControlPacket,
  DATA_HEADER_BYTES,
  DataHeader,
  decodeControl,
  encodeControl,
  kindOf,
  writeDataHeader,
} from './header.ts';
export { type ControlMessage, decodeMessage, encodeMessage } from './message.ts';
