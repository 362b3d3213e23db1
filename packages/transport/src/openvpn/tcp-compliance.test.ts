/** The openvpn transport over TCP passes the suite that every transport must pass. */
import { openvpnCompliance } from '../../test/openvpn-compliance.ts';

openvpnCompliance('tcp', 1);
