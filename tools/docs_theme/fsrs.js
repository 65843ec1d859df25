// FSRS-6 with its default weights: when a card of which so much is known should be asked again. After
// "The Algorithm" in the wiki of open-spaced-repetition/awesome-fsrs; a test compares it with the package `fsrs`.
// A memory is {s, d}: the stability s is the number of days after which 9 of 10 such cards are still known,
// the difficulty d goes from 1 to 10. A grade is 1 (forgotten), 2 (hard), 3 (good) or 4 (easy).
window.UX_FSRS = (() => {
  const w = [0.212, 1.2931, 2.3065, 8.2956, 6.4133, 0.8334, 3.0194, 0.001, 1.8722, 0.1666, 0.796, 1.4835,
    0.0614, 0.2629, 1.6483, 0.6014, 1.8729, 0.5425, 0.0912, 0.0658, 0.1542];
  const within = (low, x, high) => Math.min(Math.max(x, low), high);
  const decay = -w[20], factor = 0.9 ** (1 / decay) - 1;
  const known = (s, days) => (1 + factor * days / s) ** decay;  // the share that is still known after so many days
  const firstDifficulty = grade => w[4] - Math.exp(w[5] * (grade - 1)) + 1;
  const difficulty = (d, grade) => {
    const moved = d - w[6] * (grade - 3) * (10 - d) / 9;
    return within(1, w[7] * firstDifficulty(4) + (1 - w[7]) * moved, 10);
  };
  const afterForgetting = ({s, d}, r) => Math.min(s / Math.exp(w[17] * w[18]),
    w[11] * d ** -w[12] * ((s + 1) ** w[13] - 1) * Math.exp(w[14] * (1 - r)));
  const afterRecall = ({s, d}, r, grade) => s * (1 + Math.exp(w[8]) * (11 - d) * s ** -w[9] *
    (Math.exp(w[10] * (1 - r)) - 1) * (grade === 2 ? w[15] : 1) * (grade === 4 ? w[16] : 1));
  // the memory after a grade, `days` after the last one; `memory` is null for the first
  const next = (memory, grade, days) => {
    if (!memory) return {s: w[grade - 1], d: within(1, firstDifficulty(grade), 10)};
    const r = known(memory.s, days);
    const s = grade === 1 ? afterForgetting(memory, r) : afterRecall(memory, r, grade);
    return {s: Math.max(s, 0.001), d: difficulty(memory.d, grade)};
  };
  const interval = ({s}) => within(1, Math.round(s), 36500);  // days until 9 of 10 are still known
  return {next, interval, known};
})();
