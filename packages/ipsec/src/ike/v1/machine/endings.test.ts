/** However a negotiation fails and however what came of it ends, nothing of it stays behind at either end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Host, IkeBed, type Sent } from '../../../../test/ike-bed.ts';
import { publicValueBytes } from '../../groups.ts';
import type { AlgorithmPolicy } from './face.ts';

const server = '192.0.2.1';
const client = '198.51.100.2';
/** Of each kind; 10,000 take some minutes. */
const TIMES = 60;

const Exchange = { main: 2, informational: 5, quick: 32 };
const exchangeOf = ({ datagram }: Sent) => datagram[18];
const isEncrypted = ({ datagram }: Sent) => ((datagram[19] ?? 0) & 1) === 1;

class Street {
  readonly bed = new IkeBed();
  readonly algorithms: { -readonly [key in keyof AlgorithmPolicy]: AlgorithmPolicy[key] } = {};
  secret = 'secret';
  readonly client: Host;
  readonly server: Host;

  constructor() {
    // Key exchanges cost most of the time, and are not what is tried.
    const exchange: Host['options']['exchange'] = ({ group, peerValue }) => ({
      publicValue: new Uint8Array(publicValueBytes(group)).fill(1),
      sharedSecret: new Uint8Array(peerValue === undefined ? 0 : 32),
    });
    const key = (text: () => string) => ({ presharedKey: () => Buffer.from(text()) });
    const lifetimes = { phase1Seconds: 900, phase2Seconds: 600 };
    const { bed, algorithms } = this;
    this.client = bed.host({ address: client, exchange, algorithms, lifetimes, ...key(() => this.secret) });
    this.server = bed.host({ address: server, exchange, ...key(() => 'secret') });
  }

  up(): number {
    const { bed } = this;
    const ikeSa = bed.connect(this.client, this.server);
    assert.ok(bed.until(() => [this.client, this.server].every((host) => host.of('child-ready').length > 0), 10_000));
    return ikeSa;
  }

  /** Back to how it was, but for what stayed behind. */
  mend(): void {
    this.bed.filter = () => true;
    this.bed.drops = undefined;
    this.secret = 'secret';
    delete this.algorithms.phase1;
    delete this.algorithms.esp;
    this.bed.sent.length = 0;
    for (const host of [this.client, this.server]) host.events.length = 0;
  }

  get left() {
    return [this.client, this.server].map(({ endpoint, spis }) => ({ ...endpoint.sizes, spis: spis.size }));
  }
}

/** Makes it happen once. */
type Ending = (street: Street) => void;

const fromClient = (sent: Sent) => sent.from === client;

const endings: Readonly<Record<string, Ending>> = {
  'nobody answers': ({ bed, client: a, server: b }) => {
    bed.filter = () => false;
    bed.connect(a, b);
    bed.run(60_000);
    assert.equal(a.one('closed').code, 'timeout');
  },
  'no proposal of phase 1': ({ bed, algorithms, client: a, server: b }) => {
    algorithms.phase1 = [{ cipher: '3des-cbc', keyBytes: 24, hash: 'sha1', group: 'modp1024' }];
    bed.connect(a, b);
    bed.run(60_000);
    assert.equal(a.one('closed').code, 'no-proposal');
  },
  'another key': (street) => {
    street.secret = 'another';
    street.bed.connect(street.client, street.server);
    street.bed.run(60_000);
    assert.equal(street.server.one('closed').code, 'wrong-key');
  },
  'the peer stops after the first message': ({ bed, client: a, server: b }) => {
    bed.filter = (sent) => !fromClient(sent) || sent.datagram.subarray(8, 16).every((byte) => byte === 0);
    bed.connect(a, b);
    bed.run(60_000);
    assert.equal(b.of('closed').length, 0);
  },
  'the peer stops after the key exchange': ({ bed, client: a, server: b }) => {
    bed.filter = (sent) => !fromClient(sent) || !isEncrypted(sent);
    bed.connect(a, b);
    bed.run(60_000);
    assert.equal(b.one('closed').code, 'timeout');
  },
  'no room for work': ({ bed, client: a, server: b }) => {
    bed.drops = b;
    bed.connect(a, b);
    bed.run(60_000);
    assert.equal(b.one('closed').code, 'busy');
  },
  'no proposal of phase 2': ({ bed, algorithms, client: a, server: b }) => {
    algorithms.esp = [{ encryption: '3des-cbc', keyBytes: 24, integrity: 'hmac-sha1-96' }];
    const ikeSa = bed.connect(a, b);
    bed.run(60_000);
    assert.equal(a.one('child-failed').code, 'no-proposal');
    a.endpoint.close(ikeSa);
  },
  'quick mode gets no answer': ({ bed, client: a, server: b }) => {
    bed.filter = (sent) => fromClient(sent) || exchangeOf(sent) !== Exchange.quick;
    const ikeSa = bed.connect(a, b);
    bed.run(60_000);
    assert.equal(a.one('child-failed').code, 'timeout');
    a.endpoint.close(ikeSa);
  },
  'the peer deletes phase 1 in the middle of quick mode': ({ bed, client: a, server: b }) => {
    bed.filter = (sent) => fromClient(sent) || exchangeOf(sent) !== Exchange.quick;
    const ikeSa = bed.connect(a, b);
    bed.run(1_000);
    a.endpoint.close(ikeSa);
    bed.run(1_000);
    assert.deepEqual([b.one('closed').code, b.of('child-created').length], ['peer-deleted', 1]);
  },
  'the client closes': (street) => {
    const ikeSa = street.up();
    street.client.endpoint.close(ikeSa);
    street.bed.run(1_000);
    assert.equal(street.server.one('closed').code, 'peer-deleted');
  },
  'the server closes': (street) => {
    street.up();
    street.server.endpoint.close(street.server.one('established').ikeSa);
    street.bed.run(1_000);
    assert.equal(street.client.one('closed').code, 'peer-deleted');
  },
  'the client closes, and nobody hears it': (street) => {
    const ikeSa = street.up();
    street.bed.filter = () => false;
    street.client.endpoint.close(ikeSa);
    street.bed.run(120_000);
    assert.equal(street.server.one('closed').code, 'dead-peer');
  },
  'both ends miss each other': (street) => {
    street.up();
    street.bed.filter = () => false;
    street.bed.run(120_000);
    for (const host of [street.client, street.server]) assert.equal(host.one('closed').code, 'dead-peer');
  },
  'the client starts anew': (street) => {
    street.up();
    street.bed.filter = (sent) => !fromClient(sent) || exchangeOf(sent) !== Exchange.informational;
    street.client.endpoint.close(street.client.one('established').ikeSa);
    for (const host of [street.client, street.server]) host.events.length = 0;
    const ikeSa = street.up();
    assert.equal(street.server.one('closed').code, 'peer-deleted');
    street.mend();
    street.client.endpoint.close(ikeSa);
  },
  'keys of both phases change, then the client closes': (street) => {
    street.up();
    street.bed.run(2_000_000);
    const established = street.client.of('established');
    assert.ok(established.length > 2 && street.client.of('child-created').length > 3);
    street.client.endpoint.close(established.at(-1)?.ikeSa ?? 0);
  },
};

for (const [name, end] of Object.entries(endings))
  test(`nothing stays behind: ${name}`, () => {
    const street = new Street();
    for (let n = 0; n < TIMES; n++) {
      end(street);
      street.mend();
    }
    street.bed.run(120_000);
    const none = { firstMessages: 0, negotiations: 0, ikeSas: 0, children: 0, dialled: 0, work: 0, spis: 0 };
    assert.deepEqual(street.left, [none, none]);
    for (const { endpoint } of [street.client, street.server]) assert.equal(endpoint.pollTimeout(), undefined);
  });
