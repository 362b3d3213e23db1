/** The work of `culvert-ca export --format p12`. */
import { withCa } from './ca-access.ts';
import { deliver, pkcs12Of } from './deliver.ts';
import type { ExportArguments } from './export.ts';

/** A server's too: some want it so. */
export function exportPkcs12(args: ExportArguments): Promise<void> {
  return withCa(args, async (ca) => {
    const record = ca.find(args.which);
    await deliver(args, ca, record, { text: await pkcs12Of(args, ca, record), name: `${record.name}.p12` });
  });
}
