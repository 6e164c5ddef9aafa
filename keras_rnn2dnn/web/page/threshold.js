// The slider of the least confidence.
import { nats } from "./words.js";

const ALL = -(2 ** 31); // reports every word

export class Threshold {
  /** Calls `changed(thousandths)` at every move. */
  constructor({ slider, output, reset }, { lowest, highest, step, own }, changed) {
    Object.assign(this, { slider, output, own, changed });
    this.value = own;
    slider.min = lowest;
    slider.max = highest;
    slider.step = step;
    slider.oninput = () => {
      const moved = Number(slider.value);
      this.#set(moved <= lowest ? ALL : Math.round(1000 * moved));
    };
    reset.onclick = () => {
      this.#place();
      this.#set(own);
    };
    this.#place();
    this.#show();
  }

  #place() {
    this.slider.value = this.own === ALL ? this.slider.min : this.own / 1000;
  }

  #set(thousandths) {
    this.value = thousandths;
    this.#show();
    this.changed(thousandths);
  }

  #show() {
    const text = this.value === ALL ? "all words" : `at least ${nats(this.value)}`;
    this.output.textContent = text;
    this.slider.setAttribute("aria-valuetext", text);
  }
}
