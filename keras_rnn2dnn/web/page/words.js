// The list of the words that were decided on.

const MOST = 200; // that are kept, so that a day of listening does not grow

/** Returns thousandths as a number with two decimals. */
export function nats(thousandths) {
  return (thousandths / 1000).toFixed(2);
}

export class Words {
  /** Takes the list and what stands in its place while it is empty. */
  constructor(list, none, hasConfidence) {
    this.list = list;
    this.none = none;
    this.hasConfidence = hasConfidence;
    this.reset();
  }

  reset() {
    this.list.replaceChildren();
    this.none.hidden = false;
    this.count = 0; // so far
    this.shown = []; // {text, start, end, confidence, item}
  }

  add(word) {
    const item = document.createElement("li");
    const text = document.createElement("b");
    text.textContent = word.text;
    text.dir = "auto";
    const time = document.createElement("span");
    time.textContent = `${(word.start / 1000).toFixed(2)}–${(word.end / 1000).toFixed(2)} s`;
    item.append(text, time);
    if (this.hasConfidence) {
      const confidence = document.createElement("span");
      confidence.textContent = nats(word.confidence);
      confidence.title = "confidence";
      item.append(confidence);
    }
    this.list.append(item);
    this.count++;
    this.shown.push({ ...word, item });
    if (this.shown.length > MOST) this.shown.shift().item.remove();
    this.none.hidden = true;
    this.list.scrollTop = this.list.scrollHeight;
  }

  endUtterance() {
    this.list.lastElementChild?.classList.add("end");
  }

  /** Marks the words that a threshold of so many thousandths would not report. */
  mark(threshold) {
    for (const { confidence, item } of this.shown)
      item.classList.toggle("below", confidence < threshold);
  }
}
