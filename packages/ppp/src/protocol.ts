/** Protocol fields that we know (IANA, "PPP Protocol Numbers"). The most significant nibble tells the layer: 0 network, 8 NCP, c link. */
export const PppProtocol = {
  ipv4: 0x0021,
  ipv6: 0x0057,
  /** What CCP has compressed or encrypted (RFC 1962, RFC 3078). */
  compressed: 0x00fd,
  ipcp: 0x8021,
  ipv6cp: 0x8057,
  ccp: 0x80fd,
  lcp: 0xc021,
  pap: 0xc023,
  chap: 0xc223,
  eap: 0xc227,
} as const;
