/** The answer to `culvertd session explain`: which stories a word of the operator means, as plain JSON. */
import type { Endpoint } from '@culvert/base';
import { formatAddress, parseAddress } from '@culvert/wire';
import { GatewayError } from './errors.ts';
import type { Session } from './sessions.ts';
import { formatEndpoint } from './status.ts';
import type { Stories, Story } from './stories.ts';

export interface Explanation extends Omit<Story, 'remote' | 'link' | 'began'> {
  /** The number that log lines have as `link`. */
  readonly link: number | undefined;
  readonly began: string | undefined;
  /** The session's number; undefined for a try that came to none. */
  readonly session: number | undefined;
  readonly user: string | undefined;
  /** `192.0.2.1:1194` */
  readonly remote: string;
  /** What the two ends agreed on. */
  readonly facts: Readonly<Record<string, string>>;
}

/**
 * What is known of `which`: a session's number, a try's ("a12"), a user's name, as proven or claimed, or an address. Without it, every try that came to
 * nothing and is remembered. The latest last. Throws GatewayError where nothing fits.
 */
export function explain(which: string | undefined, sessions: readonly Session[], stories: Stories): Explanation[] {
  if (which === undefined) return stories.failed.map(ofTry);
  const found = explainOne(which, sessions, stories);
  if (found.length > 0) return found;
  throw new GatewayError('CULVERT_GATEWAY_NO_SESSION', `neither a session nor a try that is remembered fits ${which}`);
}

function explainOne(which: string, sessions: readonly Session[], stories: Stories): Explanation[] {
  const address = addressIn(which);
  if (address !== undefined) return explainAddress(address, sessions, stories);
  const tries = stories.failed.filter(({ attempt, claimed }) => attempt === which || claimed === which);
  const isChosen = ({ id, principal: { user } }: Session) =>
    /^\d+$/.test(which) ? id === Number(which) : user === which;
  return [
    ...tries.map(ofTry),
    ...sessions.filter(isChosen).map((session) => ofSession(session, storyOf(session, stories))),
  ];
}

function explainAddress(address: string, sessions: readonly Session[], stories: Stories): Explanation[] {
  const isFrom = (remote: Endpoint | undefined) => remote?.address === address;
  const theirs = sessions
    .filter(({ link, remote }) => isFrom(link?.path.remote ?? remote))
    .map((session) => ({ session, story: storyOf(session, stories) }));
  const admitted = new Set(theirs.map(({ story }) => story));
  return [
    ...stories.failed.filter(({ remote }) => isFrom(remote)).map(ofTry),
    ...stories.underWay.filter((story) => isFrom(story.remote) && !admitted.has(story)).map(ofTry),
    ...theirs.map(({ session, story }) => ofSession(session, story)),
  ];
}

/** Before its link is up a session is known by where it comes from. */
function storyOf({ link, transport, remote }: Session, stories: Stories): Story | undefined {
  if (link !== undefined) return stories.ofLink(link);
  return stories.underWay.find(
    (story) =>
      story.transport === transport && story.remote?.address === remote.address && story.remote.port === remote.port,
  );
}

function ofTry({ remote, ...story }: Story): Explanation {
  return {
    ...plain(story),
    remote: remote === undefined ? '' : formatEndpoint(remote),
    session: undefined,
    user: undefined,
    facts: {},
  };
}

/** What of a story is told. */
function plain({ attempt, link, transport, claimed, began, steps, offers, outcome, reason }: Omit<Story, 'remote'>) {
  return { attempt, link, transport, claimed, began, steps, offers, outcome, reason };
}

/** A story may be forgotten, a session is not. */
function ofSession({ id, link, principal, transport, remote }: Session, story: Story | undefined): Explanation {
  const told = (story && plain(story)) ?? {
    attempt: undefined,
    link: link?.id,
    transport,
    claimed: undefined,
    began: undefined,
    steps: [],
    offers: [],
    outcome: link === undefined ? ('under way' as const) : ('up' as const),
    reason: undefined,
  };
  return {
    ...told,
    remote: formatEndpoint(link?.path.remote ?? remote),
    session: id,
    user: principal.user,
    facts: link?.facts ?? {},
  };
}

/** In canonical form; undefined for what is no address. */
function addressIn(text: string): string | undefined {
  try {
    return formatAddress(parseAddress(text));
  } catch {
    return undefined;
  }
}
