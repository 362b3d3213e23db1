import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesSelectors, sortDatagram, spiOf, UDP_HEADER_BYTES, writeUdpHeader } from '../index.ts';

const viewOf = (hex: string) => new DataView(Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex')).buffer);

test('port 4500 carries IKE behind a marker, keepalives of one byte and ESP', () => {
  const kinds = {
    ff: 'keepalive',
    '00000000 0102030405060708': 'ike',
    '00000100 00000001 aa': 'esp',
    'ffffffff 00000001 aa': 'esp',
    '000000ff 00000001 aa': 'malformed',
    '00000001 00000001 aa': 'malformed',
    ffff: 'malformed',
    fe: 'malformed',
    '': 'malformed',
    '00000000': 'malformed',
    '00000100 00000001': 'malformed',
  };
  for (const [hex, expected] of Object.entries(kinds)) {
    const behind = viewOf(`abcd ${hex}`);
    assert.equal(sortDatagram(behind, 2, behind.byteLength - 2), expected, hex);
  }
  assert.equal(spiOf(viewOf('fffffffe 00000001 aa'), 0), 0xffff_fffe);
});

test('what comes out of an association has the ports that were agreed, and a whole UDP header', () => {
  const selector = (port: number, protocol = 17) => ({ network: '192.0.2.1/32', protocol, port });
  const l2tp = { local: selector(1701), remote: selector(1701) };
  const anyPort = { local: selector(1701), remote: selector(0) };
  const all = { local: selector(0, 0), remote: selector(0, 0) };
  const tcp = { local: selector(0, 6), remote: selector(0, 6) };
  const fits = (sa: typeof l2tp, hex: string) => {
    const view = viewOf(`ffff ${hex}`);
    return matchesSelectors(sa, view, 2, view.byteLength - 2);
  };
  const right = '06a5 06a5 000a 0000 c802';
  assert.equal(fits(l2tp, right), true);
  assert.equal(fits(all, right), true);
  assert.equal(fits(tcp, right), false);
  assert.equal(fits(l2tp, 'c000 06a5 000a 0000 c802'), false);
  assert.equal(fits(anyPort, 'c000 06a5 000a 0000 c802'), true);
  assert.equal(fits(anyPort, '06a5 0035 000a 0000 c802'), false);
  assert.equal(fits(l2tp, '06a5 06a5 000b 0000 c802'), false, 'its length is another');
  assert.equal(fits(l2tp, '06a5 06a5 0007 00'), false);
  const view = viewOf('aaaaaaaaaaaaaaaa c802');
  writeUdpHeader(view, 0, UDP_HEADER_BYTES + 2, { local: 1701, remote: 0xc000 });
  assert.equal(Buffer.from(view.buffer).toString('hex'), '06a5c000000a0000c802');
});
