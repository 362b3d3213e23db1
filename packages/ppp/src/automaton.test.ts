import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AutomatonEvent, hasTimer, State, transition } from './automaton.ts';

/** As RFC 1661 prints it in section 4.1. */
const printed = `
   Events| Initial   Starting  Closed    Stopped   Closing   Stopping
   ------+-----------------------------------------------------------
    Up   |    2     irc,scr/6     -         -         -         -
    Down |    -         -         0       tls/1       0         1
    Open |  tls/1       1     irc,scr/6     3r        5r        5r
    Close|    0       tlf/0       2         2         4         4
         |
     TO+ |    -         -         -         -       str/4     str/5
     TO- |    -         -         -         -       tlf/2     tlf/3
         |
    RCR+ |    -         -       sta/2 irc,scr,sca/8   4         5
    RCR- |    -         -       sta/2 irc,scr,scn/6   4         5
    RCA  |    -         -       sta/2     sta/3       4         5
    RCN  |    -         -       sta/2     sta/3       4         5
         |
    RTR  |    -         -       sta/2     sta/3     sta/4     sta/5
    RTA  |    -         -         2         3       tlf/2     tlf/3
         |
    RUC  |    -         -       scj/2     scj/3     scj/4     scj/5
    RXJ+ |    -         -         2         3         4         5
    RXJ- |    -         -       tlf/2     tlf/3     tlf/2     tlf/3
         |
    RXR  |    -         -         2         3         4         5

   Events| Req-Sent  Ack-Rcvd  Ack-Sent    Opened
   ------+-----------------------------------------
    Up   |    -         -         -           -
    Down |    1         1         1         tld/1
    Open |    6         7         8           9r
    Close|irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4
         |
     TO+ |  scr/6     scr/6     scr/8         -
     TO- | tlf/3p    tlf/3p    tlf/3p         -
         |
    RCR+ |  sca/8   sca,tlu/9   sca/8   tld,scr,sca/8
    RCR- |  scn/6     scn/7     scn/6   tld,scr,scn/6
    RCA  |  irc/7     scr/6x  irc,tlu/9   tld,scr/6x
    RCN  |irc,scr/6   scr/6x  irc,scr/8   tld,scr/6x
         |
    RTR  |  sta/6     sta/6     sta/6   tld,zrc,sta/5
    RTA  |    6         6         8       tld,scr/6
         |
    RUC  |  scj/6     scj/7     scj/8       scj/9
    RXJ+ |    6         6         8           9
    RXJ- |  tlf/3     tlf/3     tlf/3   tld,irc,str/5
         |
    RXR  |    6         7         8         ser/9
`;

test('every cell is as the RFC prints it', () => {
  let cells = 0;
  let first = 0;
  for (const line of printed.split('\n')) {
    const [head = '', rest = ''] = line.split('|');
    const event = head.trim() as AutomatonEvent;
    if (event === ('Events' as string)) first = rest.includes('Initial') ? 0 : 6;
    else if (rest.trim() !== '') {
      for (const [n, cell] of rest.trim().split(/\s+/).entries()) {
        const found = transition((first + n) as State, event);
        const actions =
          found === undefined ? '-' : [found.actions.join(','), found.next].filter((x) => x !== '').join('/');
        assert.equal(actions, cell.replace(/[rpx]$/, ''), `${event} in ${first + n}`);
        cells++;
      }
    }
  }
  assert.equal(cells, 16 * 10);
});

test('the restart timer runs in the five states of section 4.2', () => {
  const running = Object.entries(State).filter(([, state]) => hasTimer(state));
  assert.deepEqual(
    running.map(([name]) => name),
    ['closing', 'stopping', 'reqSent', 'ackRcvd', 'ackSent'],
  );
});
