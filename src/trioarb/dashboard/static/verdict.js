/** The verdict on a run, which comes first, and what speaks against believing its result. */

import { element, keep, mark, say } from "./dom.js";

const TONES = { "PROFIT SHOWN": "good", "LOSS SHOWN": "bad", "PROVES NOTHING": "warn" };

export function verdictTone(word) {
  return TONES[word] ?? null;
}

export class VerdictPanel {
  constructor() {
    this.word = element("strong", { class: "verdict-word" });
    this.first = element("span", {});
    this.list = element("ul", { class: "findings" });
    this.details = element("details", {}, element("summary", {}, "Why"), this.list);
    this.node = element("section", { class: "verdict", "aria-label": "Verdict" }, this.word, this.first, this.details);
  }

  update(view) {
    const verdict = view.verdict;
    this.node.hidden = verdict === null;
    if (verdict === null) return;
    mark(this.node, "data-tone", verdictTone(verdict.word));
    say(this.word, verdict.word);
    say(this.first, verdict.findings.length > 0 ? verdict.findings[0].text : "Nothing speaks against it.");
    this.details.hidden = verdict.findings.length === 0;
    const label = verdict.findings.length === 1 ? "1 finding" : `${verdict.findings.length} findings`;
    say(this.details.firstElementChild, label);
    keep(this.list, verdict.findings, {
      keyOf: (finding) => `${finding.code} ${finding.key} ${finding.text}`,
      make: (finding) =>
        element(
          "li",
          {},
          element("code", {}, finding.code),
          ` ${finding.text} `,
          finding.key ? element("span", { class: "note" }, "Would change it: ", element("code", {}, finding.key)) : null,
        ),
    });
  }
}
