/** What happens between this process and the API server, counted where it happens. For metrics and status pages, which only read it. */
export class ApiActivity {
  /** The server that answered last; null before the first answer. */
  server: string | null = null;
  /** Clock.now() of the last line of a watch, bookmarks included; null before the first. */
  lastEventAt: number | null = null;
  /** Lists of all nodes, the first one included. */
  lists = 0;
  watches = 0;
  /** Watches or lists that the server refused because our version is too old for it (410 Gone). */
  expired = 0;
  /** Lines of watches: what changed a node for us, what did not (heartbeats), bookmarks. */
  readonly events = { changed: 0, ignored: 0, bookmark: 0 };
  /** Writes to our Node; a conflict is repeated with the newer version. */
  readonly patches = { ok: 0, conflict: 0, failed: 0 };
}
