/** To be imported first (node --import): takes native binaries from CULVERT_SANITIZED, where they were built with sanitizers. */
import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { basename, join } from 'node:path';

const directory = process.env['CULVERT_SANITIZED'] ?? '';

registerHooks({
  resolve(specifier, context, next) {
    const binary = join(directory, basename(specifier));
    if (!specifier.startsWith('../build/') || !existsSync(binary)) return next(specifier, context);
    return next(binary, context);
  },
});
