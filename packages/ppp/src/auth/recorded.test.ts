/** A link of pptp-linux 1.10 with pptpd 1.4 and pppd 2.4.9 (Debian 12), recorded: what Linux peers compute is what we compute. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import { createMppeKey, MppeReport } from '@culvert/cipher';
import { decodeFrame } from '../frame.ts';
import { decodeControlPacket } from '../packet.ts';
import { startKeysOf } from '../start-keys.ts';
import { ChapCode, decodeMsChapV2Response, decodeProof, decodeValue } from './chap-packet.ts';
import { ntPasswordHash, verifyMsChapV2 } from './mschapv2.ts';

const PASSWORD = 's3cret';
const challenge = 'c2230126001a10c4536af8b326ad5fa7dc1f27d3fcaa2d7070747064';
const response =
  'c2230226003b318dee5c5c0f9b1866d3fb63dc97f026280000000000000000116a5a7f6b9d4b57df8ec408d6e35ca9c909bd46ea92d98400616c696365';
const success =
  'c2230326003f533d43343930394336344637314544423945453639384243354143323839303136423130354432323242204d3d416363657373206772616e746564';
/** The first two frames of each once MPPE was up: a packet of IPv6 and one of IPv4. */
const fromClient = [
  'fd90004059fc652fd9ca53f2cfc0d7452a181e2dcd708ab154711fa012a8e8539a7facf8b9cfa3693337a6d6bd7344352d7ccf46db',
  'fd9001f38cad709702afc732fe26554bca368f6e5683154a0367dcf52c02cadbb0c6140d2d5c7d7a12a76b0c22640436245289497ce3c45898475d74bc2c234c614073327b8fb2e3c199bd9445f77af3e6b5e7975c72fee403',
];
const fromServer = [
  'fd900030c2118ea9d578a2c8143fea0d34e8250bf7da54dc240325bbc3c4adad71e1ed0c8b1429fc58565fa395cabda4aba44041a1',
  'fd9001e808ee73bc3e7e6a9a14d4e534608b66474151da04d819c0bc2511040308c9f5c5da78e13e0f989ebc3e04e3cc026c66c683fe8a03543100621fa20e3ad5fe0573a5df7dd164f9fbb089d060220e310c68115970d2a2',
];

function bodyOf(frame: string, code: number): Uint8Array {
  const packet = decodeControlPacket(decodeFrame(Buffer.from(frame, 'hex'))?.payload ?? new Uint8Array(0));
  assert.equal(packet?.code, code);
  return packet.body;
}

/** What the frames hold, and what we would have sent for it. */
function openAndSeal(startKey: Uint8Array, frames: readonly string[]): { opened: string[]; sealed: string[] } {
  const options = { strength: 128, startKey, framing: { acfc: true, pfc: true, headroom: 0 } } as const;
  const src = createPacketBatch(8, 2000);
  for (const frame of frames) {
    const bytes = Buffer.from(frame, 'hex');
    src.arena.set(bytes, src.used);
    src.offsets[src.count] = src.used;
    src.lengths[src.count++] = bytes.length;
    src.used += bytes.length;
  }
  const [dst, again] = [createPacketBatch(8, 2000), createPacketBatch(8, 2000)];
  createMppeKey(options).openTrain(src, 0, src.count, dst, new Uint32Array(MppeReport.words));
  createMppeKey(options).seal(dst, 0, again);
  return { opened: packetsOf(dst), sealed: packetsOf(again) };
}

function packetsOf(batch: PacketBatch): string[] {
  return Array.from({ length: batch.count }, (_, i) => {
    const at = batch.offsets[i] ?? 0;
    return Buffer.from(batch.arena.subarray(at, at + (batch.lengths[i] ?? 0))).toString('hex');
  });
}

test('the recorded answer is that of the password, and the recorded proof ours', () => {
  const asked = decodeValue(bodyOf(challenge, ChapCode.challenge));
  const answered = decodeValue(bodyOf(response, ChapCode.response));
  const answer = answered && decodeMsChapV2Response(answered.value);
  assert.ok(asked !== undefined && answered !== undefined && answer !== undefined);
  assert.deepEqual(
    [asked.name, answered.name].map((name) => Buffer.from(name).toString()),
    ['pptpd', 'alice'],
  );
  const exchange = { username: 'alice', authenticatorChallenge: asked.value, ...answer };
  const material = verifyMsChapV2(exchange, ntPasswordHash(PASSWORD));
  const proof = Buffer.from(decodeProof(bodyOf(success, ChapCode.success)) ?? []).toString();
  assert.equal(material?.authenticatorResponse, proof);

  const keys = startKeysOf(material, 'server');
  assert.ok(keys !== undefined);
  for (const [key, frames] of [
    [keys.receive, fromClient],
    [keys.send, fromServer],
  ] as const) {
    const { opened, sealed } = openAndSeal(key, frames);
    assert.deepEqual(
      opened.map((packet) => packet[0]),
      ['6', '4'],
    );
    assert.deepEqual(sealed, frames);
  }
});
