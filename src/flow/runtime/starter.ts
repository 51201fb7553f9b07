/**
 * What comes before the first record: joins the group, makes the topics that are missing, and compares the plan with
 * the one that ran before. Every step of it waits for an answer of the broker; `step` looks whether it is there.
 */
import { MillraceError } from '../../base/errors.ts'
import type { Broker, Membership, TopicDescription } from '../../broker/broker.ts'
import type { TopicSettings } from '../../record/topic-settings.ts'
import { comparePlans } from '../graph/compare-plans.ts'
import { describePlan, type PlanDescription } from '../graph/describe.ts'
import { planTopic } from '../graph/internal-topics.ts'
import type { Plan, TopicSpec } from '../graph/plan.ts'
import type { Topology } from '../graph/topology.ts'
import { RestoreLog } from './restore-log.ts'

const { utf8Slice } = Buffer.prototype

export class Starter {
  readonly #broker: Broker
  readonly #plan: Plan
  readonly #description: PlanDescription
  readonly #missing: { readonly name: string; readonly settings: TopicSettings }[]
  readonly #wake: () => void
  #asked = false
  #failure: Error | undefined
  #log: RestoreLog | undefined
  #storedPlan: string | undefined
  membership: Membership | undefined
  /** The plan's text, when it differs from the stored one and has to be stored. */
  newPlan: string | undefined

  constructor(broker: Broker, plan: Plan, topology: Topology, wake: () => void) {
    this.#broker = broker
    this.#plan = plan
    this.#wake = wake
    this.#description = describePlan(plan)
    this.#missing = topicsOf(this.#description, topology).filter(({ name, settings }) => {
      const known = broker.topic(name)
      return known === undefined || known.partitions !== settings.partitions
    })
  }

  /** True when all of it is done; undefined while an answer is awaited. */
  step(): boolean | undefined {
    if (this.#failure !== undefined) throw this.#failure
    if (this.membership === undefined) {
      return this.#ask((done) =>
        this.#broker.join(this.#plan.name, (error, membership) => {
          this.membership = membership
          done(error)
        }),
      )
    }
    const next = this.#missing[0]
    if (next !== undefined) {
      return this.#ask((done) =>
        this.#broker.createTopic(next.name, next.settings, (error) => {
          this.#missing.shift()
          done(error)
        }),
      )
    }
    return this.#comparePlan()
  }

  #ask(call: (done: (error: Error | undefined) => void) => void): boolean | undefined {
    if (this.#asked) return undefined
    this.#asked = true
    call((error) => {
      this.#asked = false
      this.#failure = error
      this.#wake()
    })
    return false
  }

  #comparePlan(): boolean | undefined {
    if (this.#log === undefined) {
      const topic = this.#broker.topic(planTopic(this.#plan.name)) as TopicDescription
      this.#log = new RestoreLog(this.#broker, topic, 0, 0, this.#wake, (record) => {
        this.#storedPlan = utf8Slice.call(record.bytes, record.valueStart, record.valueEnd)
      })
    }
    if (!this.#log.done) return this.#log.step() ? false : undefined
    this.#log.close()
    const text = JSON.stringify(this.#description)
    if (this.#storedPlan !== text) this.newPlan = text
    if (this.#storedPlan !== undefined) comparePlans(parsePlan(this.#storedPlan), this.#description)
    return true
  }
}

function parsePlan(text: string): PlanDescription {
  try {
    return JSON.parse(text) as PlanDescription
  } catch (error) {
    throw new MillraceError(
      'MILLRACE_CORRUPT',
      'the stored plan of the app is no JSON: its topic is damaged',
      {
        cause: error,
      },
    )
  }
}

function topicsOf(
  description: PlanDescription,
  topology: Topology,
): readonly { readonly name: string; readonly settings: TopicSettings }[] {
  const specs = new Map<string, TopicSpec>()
  for (const { node } of topology.nodes) {
    if (node.kind === 'topicSource') specs.set(node.topic.name, node.topic)
    if (node.kind === 'output' && node.to.kind === 'topic') specs.set(node.to.topic.name, node.to.topic)
  }
  const topics = new Map<string, TopicSettings>()
  for (const { name, partitions, use } of description.topics) {
    const internal = use === 'changelog' || use === 'internal'
    const spec = specs.get(name)
    topics.set(name, { ...spec?.settings, partitions, internal })
  }
  return [...topics].map(([name, settings]) => ({ name, settings }))
}
