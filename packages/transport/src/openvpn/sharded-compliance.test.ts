/** The openvpn transport over UDP, by two shards of a listener passes the suite that every transport must pass. */
import { openvpnCompliance } from '../../test/openvpn-compliance.ts';

openvpnCompliance('udp', 2);
