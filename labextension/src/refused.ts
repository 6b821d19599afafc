/** A route answered with an error; the message is its reason, for people to read. */
export class Refused extends Error {
  /**
   * @param option - Which option of a launcher it is about; null if about something else.
   */
  constructor(
    message: string,
    readonly status: number,
    readonly option: string | null = null
  ) {
    super(message);
    this.name = 'Refused';
  }
}
