/**
 * The option negotiation automaton of LCP and the NCPs: RFC 1661, section 4.1, as the table that it is.
 *
 * Owns which event leads from which state to which, and by which actions. Leaves packets, timers and counters to `control-protocol.ts`.
 */

export const State = {
  initial: 0,
  starting: 1,
  closed: 2,
  stopped: 3,
  closing: 4,
  stopping: 5,
  reqSent: 6,
  ackRcvd: 7,
  ackSent: 8,
  opened: 9,
} as const;
export type State = (typeof State)[keyof typeof State];

export type AutomatonEvent =
  | 'Up' // lower layer is up
  | 'Down'
  | 'Open' // administrative
  | 'Close'
  | 'TO+' // timeout with counter > 0
  | 'TO-' // timeout with counter expired
  | 'RCR+' // receive Configure-Request, good
  | 'RCR-' // receive Configure-Request, bad
  | 'RCA' // receive Configure-Ack
  | 'RCN' // receive Configure-Nak or -Reject
  | 'RTR' // receive Terminate-Request
  | 'RTA' // receive Terminate-Ack
  | 'RUC' // receive unknown code
  | 'RXJ+' // receive Code-Reject or Protocol-Reject that can be borne
  | 'RXJ-' // the same, catastrophic
  | 'RXR'; // receive Echo-Request, -Reply or Discard-Request

export type Action =
  | 'tlu' // this layer up
  | 'tld' // this layer down
  | 'tls' // this layer started
  | 'tlf' // this layer finished
  | 'irc' // initialize restart counter
  | 'zrc' // zero restart counter
  | 'scr' // send Configure-Request
  | 'sca' // send Configure-Ack
  | 'scn' // send Configure-Nak or -Reject
  | 'str' // send Terminate-Request
  | 'sta' // send Terminate-Ack
  | 'scj' // send Code-Reject
  | 'ser'; // send Echo-Reply

export interface Transition {
  readonly actions: readonly Action[];
  readonly next: State;
}

/**
 * Cells as the RFC prints them; `-` cannot happen. Its letters stand: `r` and `p` mark options that we have not (restart, passive), `x`
 * a crossed connection. One line has the states 0 to 5, the next those from 6 to 9.
 */
// biome-ignore format: a row an event and a column a state, as RFC 1661, section 4.1, prints it
const table: Readonly<Record<AutomatonEvent, string>> = {
  //      Initial  Starting   Closed     Stopped         Closing  Stopping    Req-Sent   Ack-Rcvd   Ack-Sent   Opened
  'Up':   '2       irc,scr/6  -          -               -        -           -          -          -          -',
  'Down': '-       -          0          tls/1           0        1           1          1          1          tld/1',
  'Open': 'tls/1   1          irc,scr/6  3r              5r       5r          6          7          8          9r',
  'Close':'0       tlf/0      2          2               4        4           irc,str/4  irc,str/4  irc,str/4  tld,irc,str/4',
  'TO+':  '-       -          -          -               str/4    str/5       scr/6      scr/6      scr/8      -',
  'TO-':  '-       -          -          -               tlf/2    tlf/3       tlf/3p     tlf/3p     tlf/3p     -',
  'RCR+': '-       -          sta/2      irc,scr,sca/8   4        5           sca/8      sca,tlu/9  sca/8      tld,scr,sca/8',
  'RCR-': '-       -          sta/2      irc,scr,scn/6   4        5           scn/6      scn/7      scn/6      tld,scr,scn/6',
  'RCA':  '-       -          sta/2      sta/3           4        5           irc/7      scr/6x     irc,tlu/9  tld,scr/6x',
  'RCN':  '-       -          sta/2      sta/3           4        5           irc,scr/6  scr/6x     irc,scr/8  tld,scr/6x',
  'RTR':  '-       -          sta/2      sta/3           sta/4    sta/5       sta/6      sta/6      sta/6      tld,zrc,sta/5',
  'RTA':  '-       -          2          3               tlf/2    tlf/3       6          6          8          tld,scr/6',
  'RUC':  '-       -          scj/2      scj/3           scj/4    scj/5       scj/6      scj/7      scj/8      scj/9',
  'RXJ+': '-       -          2          3               4        5           6          6          8          9',
  'RXJ-': '-       -          tlf/2      tlf/3           tlf/2    tlf/3       tlf/3      tlf/3      tlf/3      tld,irc,str/5',
  'RXR':  '-       -          2          3               4        5           6          7          8          ser/9',
};

const transitions = new Map<string, readonly (Transition | undefined)[]>(
  Object.entries(table).map(([event, row]) => [event, row.split(/ +/).map(parseCell)]),
);

/** What `event` does in `state`; undefined where it cannot happen, and is ignored. */
export function transition(state: State, event: AutomatonEvent): Transition | undefined {
  return transitions.get(event)?.[state];
}

function parseCell(cell: string): Transition | undefined {
  if (cell === '-') return undefined;
  const [, actions, next] = /^(?:(.*)\/)?(\d)[rpx]?$/.exec(cell) ?? [];
  return { actions: (actions?.split(',') ?? []) as Action[], next: Number(next) as State };
}

/** The restart timer runs in these states (RFC 1661, section 4.2). */
export function hasTimer(state: State): boolean {
  return state >= State.closing && state <= State.ackSent;
}
