/** What the systems' own clients put on the control connection, with an encoder that shares nothing with ours. */
const message = (type: number, fields: string, length: number): Buffer => {
  const bytes = Buffer.alloc(length);
  bytes.writeUInt16BE(length, 0);
  bytes.write('00011a2b3c4d', 2, 'hex');
  bytes.writeUInt16BE(type, 8);
  bytes.write(fields.replaceAll(' ', ''), 12, 'hex');
  return bytes;
};
const latin = (text: string) => Buffer.from(text, 'latin1').toString('hex');

export interface VpnClient {
  readonly start: Buffer;
  readonly call: (id: number) => Buffer;
  /** Under the server's call id; undefined: it says none. */
  readonly setLinkInfo: ((serverId: number) => Buffer) | undefined;
}

/**
 * Windows XP to 11. Sources: MikroTik and pptpd logs of Windows clients (framing 1, bearer 1, no channels, firmware 2600, no host name; call
 * id 0, bearer 3, window 64), [MS-PTPT] 1.3 and 3.1.2 (Set-Link-Info after the call and again when LCP is up).
 */
export const windows = {
  start: message(1, `0100 0000 00000001 00000001 0000 0a28 ${'00'.repeat(64)} ${latin('Microsoft Windows NT')}`, 156),
  call: (id: number) =>
    message(7, `${id.toString(16).padStart(4, '0')} c6d7 0000012c 05f5e100 00000003 00000003 0040 0000 0000 0000`, 168),
  setLinkInfo: (serverId: number) =>
    message(15, `${serverId.toString(16).padStart(4, '0')} 0000 ffffffff ffffffff`, 24),
  echo: message(5, '00000001', 16),
  clear: (id: number) => message(12, `${id.toString(16).padStart(4, '0')} 0000`, 16),
  stop: message(3, '01 00 0000', 16),
} as const satisfies VpnClient & Record<string, unknown>;

/** macOS to 10.11 (Apple's published pptp.c): no names, no channels, no serial number, Set-Link-Info once. */
export const macos: VpnClient = {
  start: message(1, '0100 0000 00000001 00000001', 156),
  call: (id) => message(7, `${id.toString(16).padStart(4, '0')} 0000 0000012c 05f5e100 00000003 00000003 0040`, 168),
  setLinkInfo: windows.setLinkInfo,
};

/** Android to 11 (AOSP's mtpd, pptp.c): "anonymous", one channel, a window of 8,192; it says no Set-Link-Info. */
export const android: VpnClient = {
  start: message(1, `0100 0000 00000003 00000003 0001 0000 ${latin('anonymous')}`, 156),
  call: (id) => message(7, `${id.toString(16).padStart(4, '0')} 2a5b 000003e8 05f5e100 00000003 00000003 2000`, 168),
  setLinkInfo: undefined,
};

/** RRAS as a server: its replies (result 1, the speed that it was asked for, its window). */
export const rras = {
  start: message(2, `0100 0100 00000001 00000001 0000 0ece ${'00'.repeat(64)} ${latin('Microsoft Windows NT')}`, 156),
  call: (id: number, clientId: number) =>
    message(8, `${[id, clientId].map((n) => n.toString(16).padStart(4, '0')).join('')} 01 00 0000 05f5e100 4000`, 32),
} as const;

/** The fields of a message that a client looks at, as hexadecimal from byte 8 on. */
export function fieldsOf(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? [])
    .toString('hex')
    .slice(16);
}
