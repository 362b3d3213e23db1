/**
 * The two ends of a measurement by traffic of our own: one serves in the office, the other runs on the client and prints one line of JSON.
 *
 *   traffic SENDER serve                                    SENDER: the program made of sender.cc
 *   traffic SENDER packets HOST up|down SECONDS             packets a second at less than 1 % loss
 *   traffic SENDER flood HOST up|down SECONDS RATE          of RATE packets a second those that arrive
 *   traffic SENDER streams HOST up|down SECONDS ADDRESS,…   Mbit/s over one TCP stream from each address, together
 */
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { answerAll, Control, ports, type Request } from './control.ts';
import { PacketEnd } from './packets.ts';
import { searchRate, trials } from './rate-search.ts';
import { Meter, openStreams, serveStreams } from './streams.ts';

const WARM_UP_MILLIS = 2_000;

function serve(): void {
  const end = new PacketEnd(sender, undefined);
  const meter = new Meter();
  serveStreams(meter);
  const answer = (request: Request): Promise<number> | number => {
    switch (request.kind) {
      case 'bytes':
        return meter.bytes;
      case 'count':
        return end.count;
      case 'expect':
        end.expect(request.trial);
        return 0;
      case 'send':
        return end.send(request.trial, request.rate, request.seconds);
    }
  };
  createServer((socket) => {
    socket.on('error', () => {}); // the other end may leave as it likes
    answerAll(socket, answer).catch(() => {});
  }).listen(ports.control, () => console.log('serving'));
}

async function measurePackets(host: string, down: boolean, seconds: number): Promise<number> {
  const control = await Control.connect(host);
  return searchRate(trials(control, new PacketEnd(sender, host), down, seconds));
}

async function flood(host: string, down: boolean, seconds: number, rate: number): Promise<number> {
  const control = await Control.connect(host);
  return (await trials(control, new PacketEnd(sender, host), down, seconds)(rate)).received;
}

async function measureStreams(
  host: string,
  down: boolean,
  seconds: number,
  addresses: readonly string[],
): Promise<number> {
  const control = await Control.connect(host, addresses[0]);
  const meter = new Meter();
  await openStreams(host, addresses, down, meter);
  const look = async () => (down ? { value: meter.bytes, at: performance.now() } : control.ask({ kind: 'bytes' }));
  await delay(WARM_UP_MILLIS);
  const before = await look();
  await delay(seconds * 1000);
  const after = await look();
  return ((after.value - before.value) * 8) / 1000 / (after.at - before.at);
}

function measure(what: string, host: string, down: boolean, seconds: number, extra: string): Promise<number> {
  if (what === 'packets') return measurePackets(host, down, seconds);
  if (what === 'flood') return flood(host, down, seconds, Number(extra));
  return measureStreams(host, down, seconds, extra.split(','));
}

const [sender = '', what = '', host = '', direction = '', seconds = '', extra = ''] = process.argv.slice(2);
if (what === 'serve') {
  serve();
} else {
  const value = await measure(what, host, direction === 'down', Number(seconds), extra);
  console.log(JSON.stringify({ value }));
  process.exit(0);
}
