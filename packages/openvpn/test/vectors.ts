/** Test vectors of openvpn's own unit tests (OpenVPN/openvpn, commit 3de92608, tests/unit_tests/openvpn/). Data only. */

export function hex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '');
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16));
}

/** test_pkt.c: static_key. */
export const staticKeyFile = `<tls-auth>
-----BEGIN OpenVPN Static key V1-----
37268ea8f95d7f71f9fb8fc03770c460
daf714a483d815c013ce0a537efc18f2
8f4f172669d9e6a413bac6741d8ea054
00f49b7fd6326470f23798c606bf53d4
de63ebc64ec59d57ce5d04d5b62e68b5
3ca6e5354351097fa370446c4d269f18
7bb6ae54af2dc70ff7317fe2f8754b82
82aad4202f9fa42c8640245d883e2c54
a0c1c489a036cf3a8964d8d289c1583b
9447c262b1da5fd167a5d27bd5ac5143
17bc2343a31a2efc38dd920d910375f5
1c2e27f3afd36c49269da079f7ce466e
bb0f9ad13e9bbb4665974e6bc24b513c
5700393bf4a3e7f967e2f384069ac8a8
e78b18b15604993fd16515cce9c0f3e4
2b4126b999005ade802797b0eeb8b9e6
-----END OpenVPN Static key V1-----
</tls-auth>
`;

/** test_pkt.c: packets of clients. */
export const packets = {
  resetV2None: hex('3868919 23fa310343700 00000000'),
  resetV2TlsAuth: hex(`38de694c5c7bfba2749353
    7c1ded4e781529ae7cfe4b8c6d6b2b51f05a000000 0161d3bf6c0000000000`),
  resetV2TlsCrypt: hex(`38f419cb12d1f9e48f0000000161d3f8e1330206f56802be44fbed905064e3db43416bec5e5267
    19462b7eb90c96defc9b05c44879f7`),
  /** Truncated: the TLS payload has three bytes. */
  controlWithAck: hex('207819bf2ebcd19a450100000000eafebfa4418ae31b00000001160301'),
  ackNone: hex('28aeb9afe1f01d79c80100000000dd85db535623b02e'),
  /** Acknowledges 0, 1 and 2. */
  ackOfThree: hex('28aeb9afe1f01d79c803000000000000000100000002dd85db535623b02e'),
} as const;

/** test_tls_crypt.c: test_server_key. */
export const serverKeyFile = `-----BEGIN OpenVPN tls-crypt-v2 server key-----
AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v
MDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5f
YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn8=
-----END OpenVPN tls-crypt-v2 server key-----
`;

/** test_tls_crypt.c: test_client_key_metadata, with the metadata AABBCCDD (base64) of type 0. */
export const clientKeyFile = `-----BEGIN OpenVPN tls-crypt-v2 client key-----
AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v
MDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5f
YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn+AgYKDhIWGh4iJiouMjY6P
kJGSk5SVlpeYmZqbnJ2en6ChoqOkpaanqKmqq6ytrq+wsbKztLW2t7i5uru8vb6/
wMHCw8TFxsfIycrLzM3Oz9DR0tPU1dbX2Nna29zd3t/g4eLj5OXm5+jp6uvs7e7v
8PHy8/T19vf4+fr7/P3+/2ntp1WCqhcLjJQY/igkjNt3Yb6i0neqFkfrOp2UCDcz
6RSJtPLZbvOOKUHk2qwxPYUsFCnz/IWV6/ZiLRrabzUpS8oSN1HS6P7qqAdrHKgf
hVTHasdSf2UdMTPC7HBgnP9Ll0FhKN0h7vSzbbt7QM7wH9mr1ecc/Mt0SYW2lpwA
aJObYGTyk6hTgWm0g/MLrworLrezTqUHBZzVsu+LDyqLWK1lzJNd66MuNOsGA4YF
fbCsDh8n3H+Cw1k5YNBZDYYJOtVUgBWXheO6vgoOmqDdI0dAQ3hVo9DE+SkCFjgf
l4FY2yLEh9ZVZZrl1eD1Owh/X178CkHrBJYl9LNQSyQEKlDGWwBLQ/pY3qtjctr3
pV62MPQdBo+1lcsjDCJVQA6XUyltas4BKQ==
-----END OpenVPN tls-crypt-v2 client key-----
`;

/** test_crypto.c: crypto_test_tls_prf. */
export const prf = {
  secret:
    'Lorem ipsum dolor sit amet, consectetur adipisici elit, sed eiusmod tempor incidunt ut labore et dolore magna aliqua.',
  seed: 'Quis aute iure reprehenderit in voluptate velit esse cillum dolore',
  output: hex('d98c8518c85e94692791 6acfc2d592fbb1567e4b4b1459e6a904ac2ddab72d67'),
} as const;
