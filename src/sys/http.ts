/** Requests to another process. The real ones are in `sys/node`; tests cut them off where they like. */
export interface HttpClient {
  /**
   * Posts a body and answers once with the whole response, never before this call returns; with an error when there is
   * none: then nobody knows whether the other side acted. Waits for the response as long as the connection holds.
   */
  post(url: string, body: Uint8Array, answer: HttpAnswer): HttpCall
  /** Lets go of connections that nothing waits for. */
  close(): void
}

export type HttpAnswer = (error: Error | undefined, response: HttpResponse | undefined) => void

export interface HttpResponse {
  readonly status: number
  readonly body: Uint8Array
}

export interface HttpCall {
  /** The answer does not come any more. Idempotent. */
  cancel(): void
}
