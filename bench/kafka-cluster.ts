import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'

const runFile = promisify(execFile)
/** Of /proc/PID/stat; Linux has 100 on every machine that Node runs on. */
const TICKS_PER_SECOND = 100
/** Fields of /proc/PID/stat behind the program's name, which may hold blanks: utime, stime, cutime, cstime. */
const UTIME = 11
const CUTIME = 13

/** One broker of a real Apache Kafka, run by a script with the commands start, status, tool and stop. */
export interface KafkaCluster {
  readonly brokerPid: number
  makeTopic(name: string, settings: Readonly<Record<string, string>>): Promise<void>
  /** Runs Kafka's own producer. */
  produce(topic: string, load: KafkaLoad): Promise<KafkaRun>
  stop(): Promise<void>
}

export interface KafkaLoad {
  readonly recordBytes: number
  readonly records: number
  readonly properties: Readonly<Record<string, string>>
}

export interface KafkaRun {
  readonly recordsPerSecond: number
  /** Of the producer's process, the start of its virtual machine too. */
  readonly clientCpuSeconds: number
  readonly brokerCpuSeconds: number
  readonly brokerRssBytes: number
}

export async function startKafka(script: string, folder: string, port: number): Promise<KafkaCluster> {
  const run = async (...words: readonly string[]): Promise<string> => {
    const { stdout } = await runFile(script, [...words], { maxBuffer: 64 * 1024 * 1024 })
    return stdout
  }
  const started = await run('start', '--dir', folder, '--port', String(port), '--heap', '1g')
  const bootstrap = /^KAFKA_BOOTSTRAP=(.+)$/m.exec(started)?.[1] ?? ''
  const brokerPid = Number(/pid (\d+)/.exec(await run('status', '--dir', folder))?.[1])
  if (bootstrap === '' || !(brokerPid > 0)) throw new Error(`${script} started no broker: ${started}`)
  return {
    brokerPid,
    async makeTopic(name, settings) {
      const configs = Object.entries(settings).flatMap(([key, value]) => ['--config', `${key}=${value}`])
      const tool = ['tool', 'org.apache.kafka.tools.TopicCommand', '--bootstrap-server', bootstrap]
      await run(...tool, '--create', '--topic', name, '--partitions', '1', ...configs)
    },
    async produce(topic, { recordBytes, records, properties }) {
      const own = Object.entries(properties).map(([key, value]) => `${key}=${value}`)
      const brokerBefore = cpuSecondsOf(brokerPid, UTIME)
      const childrenBefore = cpuSecondsOf('self', CUTIME)
      const output = await run(
        ...['tool', 'org.apache.kafka.tools.ProducerPerformance', '--topic', topic, '--throughput', '-1'],
        ...['--num-records', String(records), '--record-size', String(recordBytes)],
        ...['--bootstrap-server', bootstrap, '--command-property', ...own],
      )
      const recordsPerSecond = Number(
        /^\d+ records sent, ([\d.]+) records\/sec.*99th/m.exec(output)?.[1]?.replace(',', '.'),
      )
      if (!(recordsPerSecond > 0))
        throw new Error(`Kafka's ProducerPerformance says nothing usable: ${output}`)
      return {
        recordsPerSecond,
        // A process's time counts as its parent's children's once it has ended.
        clientCpuSeconds: cpuSecondsOf('self', CUTIME) - childrenBefore,
        brokerCpuSeconds: cpuSecondsOf(brokerPid, UTIME) - brokerBefore,
        brokerRssBytes: rssBytesOf(brokerPid),
      }
    },
    async stop() {
      await run('stop', '--dir', folder)
    },
  }
}

/** User and system time; of the process itself or of its children that ended. */
function cpuSecondsOf(pid: number | 'self', field: typeof UTIME | typeof CUTIME): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[field]) + Number(fields[field + 1])) / TICKS_PER_SECOND
}

function rssBytesOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}
