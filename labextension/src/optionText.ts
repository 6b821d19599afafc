/**
 * What people call the options of launchers. Pure; texts come from a translation bundle.
 *
 * Those of launchers that others have written are called by their names, made readable.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

/** What stands before a field; what an option means its help tells. */
export function optionText(name: string, trans: TranslationBundle): string {
  return LABELS[name]?.(trans) ?? readable(name);
}

function readable(name: string): string {
  const words = name.replaceAll('_', ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const LABELS: Readonly<Record<string, (trans: TranslationBundle) => string>> = {
  // of all launchers
  python: trans => trans.__('Python'),
  environment: trans => trans.__('Environment variables'),
  // of ssh
  hosts: trans => trans.__('Hosts'),
  cwd: trans => trans.__('Working folder'),
  tunnel: trans => trans.__('Tunnel through ssh'),
  connect_timeout: trans => trans.__('Seconds to connect'),
  config: trans => trans.__('ssh config file'),
  port: trans => trans.__('Port'),
  user: trans => trans.__('User name'),
  identity: trans => trans.__('Key file'),
  jump: trans => trans.__('Jump host'),
  arguments: trans => trans.__('More arguments'),
  program: trans => trans.__('Program'),
  // of batch systems
  mode: trans => trans.__('Kind of job'),
  engines_per_agent: trans => trans.__('Engines that share a job'),
  cpus_per_engine: trans => trans.__('Processors per engine'),
  gpus: trans => trans.__('GPUs'),
  memory: trans => trans.__('Memory'),
  time: trans => trans.__('Time limit'),
  queue: trans => trans.__('Queue or partition'),
  account: trans => trans.__('Account'),
  directives: trans => trans.__('More directives'),
  prologue: trans => trans.__('Commands to run first'),
  template: trans => trans.__('Job script'),
  folder: trans => trans.__('Shared folder'),
  mpiexec: trans => trans.__('Start MPI with'),
  array_limit: trans => trans.__('Most jobs in an array'),
  look_every: trans => trans.__('Seconds between questions'),
  command_timeout: trans => trans.__('Seconds per command'),
  restart: trans => trans.__('Start again'),
  qos: trans => trans.__('Quality of service'),
  constraint: trans => trans.__('Features of nodes'),
  reservation: trans => trans.__('Reservation'),
  requirements: trans => trans.__('Requirements'),
  parallel_environment: trans => trans.__('Parallel environment'),
  memory_resource: trans => trans.__('Resource for memory'),
  // of Kubernetes
  image: trans => trans.__('Image'),
  namespace: trans => trans.__('Namespace'),
  context: trans => trans.__('Context'),
  gpu_resource: trans => trans.__('Resource for GPUs'),
  timeout: trans => trans.__('Seconds per call'),
  // of MPI
  args: trans => trans.__('Arguments of mpiexec'),
  oversubscribe: trans => trans.__('More ranks than processors')
};
