import { Model } from './model/model.ts'
import { simulate } from './run.ts'

let lost = 0,
  tx = 0
const o = Model.prototype.lose
Model.prototype.lose = function (p, f) {
  const r = o.call(this, p, f)
  lost += r.length
  tx += r.filter((s) => s.transaction).length
  return r
}
let lives = 0,
  ack = 0,
  t = performance.now()
for (let s = 1; s <= 60; s++) {
  const r = simulate({ seed: s })
  lives += r.lives
  ack += r.acknowledged
  if (r.failure) console.log(s, r.failure.checker, r.failure.problem)
}
console.log(lost, tx, lives, ack, performance.now() - t)
