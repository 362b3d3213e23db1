/** Where profiles lie and where a running tunnel keeps its state. */
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface Places {
  /** One `NAME.ovpn` a profile. */
  readonly profiles: string;
  /** Journal, control socket and log of each tunnel that is up. */
  readonly run: string;
}

/** Of root /etc and /run, of others their home; CULVERT_PROFILES and CULVERT_RUN choose otherwise, and `dir` wins. */
export function placesOf(dir: string | undefined, env = process.env): Places {
  const root = process.getuid?.() === 0;
  const config = env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config');
  return {
    profiles: dir ?? env['CULVERT_PROFILES'] ?? (root ? '/etc/culvert/profiles' : join(config, 'culvert/profiles')),
    run: env['CULVERT_RUN'] ?? '/run/culvert',
  };
}

/** The files of one tunnel. */
export function runFiles(places: Places, name: string): { journal: string; socket: string; log: string } {
  const base = join(places.run, `client-${name}`);
  return { journal: `${base}.journal`, socket: `${base}.sock`, log: `${base}.log` };
}
