import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes } from '../../test/hex.ts';
import { AuthDemands, nameOfAuthentication, nameOfEapMethod } from './demands.ts';

test('what was asked for is told in its order, once, with what is allowed', () => {
  const demands = new AuthDemands('the server', ['MS-CHAPv2']);
  assert.equal(demands.sentence, undefined);
  demands.refuse('PAP');
  demands.refuse('PAP');
  assert.equal(demands.sentence, 'the server asks for PAP, which is not allowed here (allowed: MS-CHAPv2)');
  demands.refuse('EAP');
  assert.equal(demands.sentence, 'the server asks for PAP, then EAP, which are not allowed here (allowed: MS-CHAPv2)');
  demands.accept();
  assert.equal(demands.sentence, undefined);
  const server = new AuthDemands('the peer', []);
  server.refuse('MS-CHAPv2');
  assert.equal(server.sentence, 'the peer asks for MS-CHAPv2, and we have no proof to show');
});

test('a peer that asks for everything makes no long sentence', () => {
  const demands = new AuthDemands('the server', ['PAP']);
  for (let n = 0; n < 100; n++) demands.refuse(nameOfAuthentication(Uint8Array.of(0xc0, n)));
  assert.equal(demands.sentence?.split(', then ').length, 8);
});

test('protocols have the names that people know, others their number', () => {
  const names = ['c023', 'c22305', 'c22380', 'c22381', 'c227', 'c0271234', 'c22306', 'c123', ''].map((text) =>
    nameOfAuthentication(bytes(text)),
  );
  assert.deepEqual(names, [
    ...['PAP', 'CHAP with MD5', 'MS-CHAP', 'MS-CHAPv2', 'EAP', 'SPAP'],
    ...['authentication protocol c22306', 'authentication protocol c123', 'another way'],
  ]);
  assert.deepEqual([4, 13, 26, 77].map(nameOfEapMethod), [
    ...['EAP with MD5', 'EAP-TLS', 'EAP with MSCHAPv2', 'EAP method 77'],
  ]);
});
