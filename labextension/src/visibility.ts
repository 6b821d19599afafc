/**
 * Whether a widget is seen: it is attached, shown, and so is everything around it.
 */
import type { Message } from '@lumino/messaging';

export class Visibility {
  /**
   * @param _onChange - Called when that has changed.
   */
  constructor(private readonly _onChange: (isSeen: boolean) => void) {}

  get isSeen(): boolean {
    return this._seen;
  }

  /** Take a message that the widget got. */
  heed(message: Message): void {
    switch (message.type) {
      case 'after-show':
      case 'after-attach':
        this._set(true);
        break;
      case 'before-hide':
      case 'before-detach':
        this._set(false);
        break;
    }
  }

  /** Note that the widget is gone. */
  end(): void {
    this._set(false);
  }

  private _set(isSeen: boolean): void {
    if (isSeen !== this._seen) {
      this._seen = isSeen;
      this._onChange(isSeen);
    }
  }

  private _seen = false;
}
