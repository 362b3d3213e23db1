/** The openvpn transport over UDP passes the suite that every transport must pass. */
import { openvpnCompliance } from '../../test/openvpn-compliance.ts';

openvpnCompliance('udp', 1);
