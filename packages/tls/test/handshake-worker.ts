/** A thread's work: some handshakes, half of them left for the collector. */
import { join, makeOffice } from './wire.ts';

const office = makeOffice();
for (let n = 0; n < 40; n++) {
  const wire = join(office.server, office.client).settle();
  wire.secure('server');
  if (n % 2 === 0) wire.close();
}
