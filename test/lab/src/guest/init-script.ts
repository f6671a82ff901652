/*
 * The first process of the guest, in busybox's shell. It loads the modules, mounts the host's root read-only, lays what has to be the
 * guest's own over it, runs the command in there, and leaves its exit status in the exchange folder. Whatever fails before that is told on
 * the console, and there is no status then.
 */

/** Names under which qemu offers the two 9p file systems. */
export const ROOT_TAG = 'root';
export const EXCHANGE_TAG = 'exchange';

/** Folder of the archive that holds copies of the host's files, below their whole paths. */
export const MEMORY = 'memory';

/** Files in the exchange folder. */
export const COMMAND_FILE = 'command';
export const STATUS_FILE = 'status';
export const OUTPUT_FILES = { stdout: 'stdout', stderr: 'stderr' } as const;

export interface InitOptions {
  /** In the archive, in the order in which they are loaded. */
  readonly modules: readonly string[];
  /** Folders of the host that stay visible although they lie in one that the guest has of its own, as /tmp. */
  readonly visible: readonly string[];
  /** What of the host is replaced by its copy in the archive. */
  readonly inMemory: readonly string[];
}

export function initScript({ modules, visible, inMemory }: InitOptions): string {
  const mount9p = '-t 9p -o trans=virtio,version=9p2000.L,msize=512000';
  return `#!/bin/busybox sh
fail() { echo "guest: $*"; poweroff -f; }
put() {
  if [ -d "$1" ]; then mkdir -p "$2"; elif [ ! -e "$2" ]; then mkdir -p "\${2%/*}" && : >"$2"; fi
  mount --bind "$1" "$2" || fail "cannot put $1 in place"
}
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev; mount -t proc proc /proc
${modules.map((module) => `insmod ${quoted(`/${module}`)} || fail ${quoted(`cannot load ${module}`)}`).join('\n')}
mount ${mount9p},ro,cache=loose ${ROOT_TAG} /host || fail 'cannot mount the root'
# What is laid over /host does not hide it there. (A second mount of the same tag is refused: one channel, one mount.)
mount --bind /host /again || fail 'cannot see the root twice'
mount ${mount9p},cache=none ${EXCHANGE_TAG} /exchange || fail 'cannot mount the exchange folder'
mount -t proc proc /host/proc; mount -t sysfs sys /host/sys; mount -t devtmpfs dev /host/dev
mount -t tmpfs -o mode=755 tmpfs /host/run; mount -t tmpfs -o mode=1777 tmpfs /host/tmp
for folder in ${visible.map(quoted).join(' ')}; do [ -d "/host$folder" ] || put "/again$folder" "/host$folder"; done
for path in ${inMemory.map(quoted).join(' ')}; do put "/${MEMORY}$path" "/host$path"; done
mkdir /host/run/netns; put /exchange /host/run/exchange
hostname guest; ip link set lo up
chroot /host /bin/sh /run/exchange/${COMMAND_FILE} </dev/null >/exchange/${OUTPUT_FILES.stdout} 2>/exchange/${OUTPUT_FILES.stderr}
echo $? >/exchange/${STATUS_FILE}
poweroff -f
`;
}

export interface CommandLine {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The script that becomes the command: same arguments to the byte, no more environment than told. */
export function commandScript({ argv, cwd, env }: CommandLine): string {
  const variables = Object.entries(env).map(([name, value]) => quoted(`${name}=${value}`));
  return `cd ${quoted(cwd)} || exit 127\nexec env -i ${[...variables, ...argv.map(quoted)].join(' ')}\n`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
