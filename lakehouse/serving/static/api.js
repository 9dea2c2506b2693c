/** Talks to the API it was served by: pages of rows, live updates, and the key where one is asked for. */

const RECONNECT_MS = { first: 500, most: 10_000 };
const KEY = "traffic-api-key";

/** An answer that is no success; `message` is for the person who looks. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Api {
  /** @param {() => Promise<string>} askKey shows the dialog and gives what was typed */
  constructor(askKey) {
    this.askKey = askKey;
    this.asking = null;
  }

  /** One answer as an object. */
  async get(path) {
    return (await this.open(path)).json();
  }

  /** All items of a list, page by page. */
  async list(path) {
    const items = [];
    let asOf = null;
    for (let next = path; next; ) {
      const page = await this.get(next);
      items.push(...page.items);
      asOf ??= page.as_of;
      next = page.next;
    }
    return { items, asOf };
  }

  async open(path, options = {}) {
    for (;;) {
      const key = sessionStorage.getItem(KEY);
      const headers = key ? { Authorization: `Bearer ${key}` } : {};
      const answer = await fetch(path, { ...options, headers });
      if (answer.ok) return answer;
      if (answer.status !== 401) throw new ApiError(answer.status, await detail(answer));
      this.asking ??= this.askKey().finally(() => { this.asking = null; });
      sessionStorage.setItem(KEY, await this.asking);
    }
  }

  /**
   * Calls `take` with every status the server sends, and `lost` whenever the connection breaks.
   * Not an EventSource, which cannot carry a key.
   */
  async follow(take, lost) {
    let wait = RECONNECT_MS.first;
    for (;;) {
      try {
        const answer = await this.open("/events");
        for await (const status of events(answer.body)) {
          wait = RECONNECT_MS.first;
          take(status);
        }
      } catch (error) {
        lost(error);
      }
      lost(null);
      await new Promise((done) => setTimeout(done, wait));
      wait = Math.min(wait * 2, RECONNECT_MS.most);
    }
  }
}

async function detail(answer) {
  try {
    return (await answer.json()).detail;
  } catch {
    return `the server answered ${answer.status}`;
  }
}

async function* events(body) {
  let text = "";
  for await (const part of chunks(body.pipeThrough(new TextDecoderStream()))) {
    text += part;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").find((line) => line.startsWith("data: "));
      if (data) yield JSON.parse(data.slice("data: ".length));
    }
  }
}

async function* chunks(stream) {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
