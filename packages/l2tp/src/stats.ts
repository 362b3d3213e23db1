/** What an endpoint and its tunnels count. */
export type Stats = ReturnType<typeof emptyStats>;

export function emptyStats() {
  return {
    controlIn: 0,
    /** Control messages that had their turn, and those that could be read. */
    messagesIn: 0,
    messagesRead: 0,
    messagesOut: 0,
    acksOut: 0,
    retransmits: 0,
    duplicates: 0,
    /** Came before one that was missing, and too far before it. */
    early: 0,
    beyond: 0,
    malformed: 0,
    unexpected: 0,
    /** WEN and SLI. */
    passedOver: 0,
    /** L2TPv3 and L2F. */
    otherVersion: 0,
    /** No tunnel of this carrier has the id, or no session of the tunnel. */
    unknownTunnel: 0,
    unknownSession: 0,
    /** Over a limit. */
    refused: 0,
  };
}
