/** What the configuration turns on that an operator should be reminded of for as long as it is. */
import type { GatewayConfig } from '@culvert/config';

export function remindersOf({ transports: { pptp, l2tpIpsec } }: Pick<GatewayConfig, 'transports'>): string[] {
  const reminders: string[] = [];
  if (pptp.enabled) {
    reminders.push(
      'transports.pptp is on: whoever records a PPTP session can find its password and read all that went through; move its users to another transport',
    );
  }
  if (l2tpIpsec.enabled && l2tpIpsec.acceptWeak) {
    reminders.push(
      'transports.l2tpIpsec.acceptWeak is on: who records what goes by 3DES or MODP-1024 may read it one day; turn it off when no device needs it',
    );
  }
  return reminders;
}
