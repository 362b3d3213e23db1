/** L2TP (RFC 2661) as sans-IO machines, LNS and LAC. */
export {};
