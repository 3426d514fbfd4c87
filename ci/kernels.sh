#!/bin/bash
# Runs the tests under other kernels than this machine's, and prints which passed under which.
#
#     ci/kernels.sh [SUITE...]        the Debian suites whose kernels to boot (bullseye bookworm trixie trixie-backports)
#
# Those have Linux 5.10, 6.1, 6.12, and the newest that Debian has packaged. Kernels (25 MB each), qemu and busybox come
# from Debian and are fetched once, without changing the machine's package sources. Everything is kept under
# target/kernels, also what each kernel and each program has said.
#
# Fails if a test does. Ends with 77 if the kernels or qemu are not to be had.
#
# The table is printed in the end, and stands in target/kernels/table as far as it has come. What earlier runs have found of
# other programs and kernels stays in it, so that a part can be run again; ANEW=1 begins with an empty one.
#
# Environment: TESTS, the test programs to run, each with the seconds that it may take if these are not PROGRAM_LIMIT (1500):
# "network:300 files"; FILTER, arguments for each of them; GUESTS, how many kernels run at once (1); ACCELERATION, kvm or tcg
# (kvm where it works); PROCESSORS (2), MEMORY in MiB (2048); CARGO_TARGET_DIR as usual.
set -eu

cd "$(dirname "$0")/.."
read -ra programs <<<"${TESTS:-network structure files streams sync runtime leftovers}"
tests=("${programs[@]%%:*}")
limits=0
for index in "${!programs[@]}"; do
    case ${programs[index]} in
        *:*) ;;
        *) programs[index]+=:${PROGRAM_LIMIT:-1500} ;;
    esac
    ((limits += ${programs[index]#*:}))
done
read -ra suites <<<"${*:-bullseye bookworm trixie trixie-backports}"
[ "$(uname -m)" = x86_64 ] || { echo "the kernels are for x86_64" >&2; exit 77; }
mkdir -p "${CARGO_TARGET_DIR:-target}/kernels"
home=$(cd "${CARGO_TARGET_DIR:-target}/kernels" && pwd)
files=$(dirname "$home")/tmp
. ci/debian-packages.sh
own_suite=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}")

not_to_be_had() {
    echo "not to be had here: $1" >&2
    exit 77
}

# What a package of `suite` needs, itself included.
needed() {
    own_apt apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances "$1" | grep -E '^[a-z0-9]' | sort -u
}

# Unpacks packages of `suite` whose names match, among those that PACKAGE needs: fetch PACKAGE PATTERN.
fetch() {
    [ -d "$cache/root" ] && return
    { command -v apt-get && [ -n "$mirror" ]; } >/dev/null || return
    mkdir -p "$cache/packages"
    {
        own_apt apt-get update || return
        mapfile -t packages < <(needed "$1" | grep -E "$2")
        [ ${#packages[@]} -gt 0 ] || return
        (cd "$cache/packages" && own_apt apt-get download "${packages[@]}") || return
    } >"$cache/fetched" 2>&1
    rm -rf "$cache/root.part"
    for package in "$cache"/packages/*.deb; do
        dpkg-deb -x "$package" "$cache/root.part" || return
    done
    rm -rf "$cache/packages"
    mv "$cache/root.part" "$cache/root"
}

# A program of this machine's own suite, which is installed or fetched: sets `program` to the words that start it.
tool() {
    if command -v "$1" >/dev/null; then
        program=("$1")
        return
    fi
    suite=$own_suite cache=$home/$2
    fetch "$2" '^(lib.*|qemu-.*|seabios|busybox-static|ipxe-qemu)$' || return
    program=("$(find "$cache/root/usr/bin" "$cache/root/bin" -name "$1" -type f 2>/dev/null | head -n 1)")
    [ -x "${program[0]}" ] || return
    if [ "$1" != busybox ]; then
        local libraries=$cache/root/usr/lib/x86_64-linux-gnu
        program=(env QEMU_MODULE_DIR="$libraries/qemu"
            "$(find "$cache/root/" -name 'ld-linux-x86-64.so.*' -type f | head -n 1)" --library-path
            "$libraries:$cache/root/lib/x86_64-linux-gnu" "${program[@]}")
    fi
}

tool busybox busybox-static || not_to_be_had busybox
busybox=("$(command -v "${program[0]}")")
"${busybox[0]}" --list | grep -qx insmod || not_to_be_had "a busybox with insmod (busybox-static)"
tool qemu-system-x86_64 qemu-system-x86 || not_to_be_had qemu
qemu=("${program[@]}")
for firmware in "$home"/qemu-system-x86/root/usr/share/{seabios,qemu}; do
    [ -d "$firmware" ] && qemu+=(-L "$firmware")
done
mke2fs=$(PATH=$PATH:/sbin:/usr/sbin command -v mke2fs) || not_to_be_had mke2fs

# --- The disk: the test programs, and room for their files, on a file system that can do all that a disk's can.
cargo test --no-run --locked -p anyio --message-format json-render-diagnostics "${tests[@]/#/--test=}" >"$home/built"
cargo build --locked -p anyio --message-format json-render-diagnostics --example doctor >>"$home/built"
rm -rf "$home/disk"
mkdir -p "$home/disk/tests" "$home/disk/tmp"
sed -nE 's/.*"target":\{[^}]*"name":"([^"]+)".*"executable":"([^"]+)".*/\1 \2/p' "$home/built" |
    while read -r name program; do
        cp "$program" "$home/disk/tests/$name"
    done
# A test looks for them in the working folder.
cp Cargo.toml Cargo.lock "$home/disk/tests/"
truncate -s 0 "$home/disk.image"
truncate -s 4G "$home/disk.image"
# The features that each of the kernels knows.
"$mke2fs" -q -F -t ext4 -I 256 \
    -O none,has_journal,extent,filetype,sparse_super,large_file,dir_index,extra_isize \
    -d "$home/disk" "$home/disk.image" 2>"$home/mke2fs" || { cat "$home/mke2fs" >&2; exit 1; }

# --- The initial RAM disk: busybox, the libraries of the tests, the modules for the disk, the files that every system has.
# Copies a module and what it needs, and names them in the order in which they are to be loaded.
copy_module() {
    local name=${1//-/_} file needs
    if grep -qsx "$name" "$ram/modules/order"; then
        return
    fi
    file=$(find "$cache/root" -regex ".*/${name//_/[-_]}\.ko\(\.xz\|\.zst\|\.gz\)?" | head -n 1)
    # What is no file is a part of the kernel.
    [ -n "$file" ] || return 0
    case $file in
        *.xz) xz -dc "$file" ;;
        *.zst) zstd -qdc "$file" ;;
        *.gz) gzip -dc "$file" ;;
        *) cat "$file" ;;
    esac >"$ram/modules/$name"
    needs=$(tr '\0' '\n' <"$ram/modules/$name" | sed -n 's/^depends=//p' | tr , ' ')
    for need in $needs; do
        copy_module "$need"
    done
    echo "$name" >>"$ram/modules/order"
}

make_ram_disk() {
    ram=$cache/ram
    rm -rf "$ram"
    mkdir -p "$ram"/{bin,dev,disk,etc,modules,proc,root,run,sys,tmp,usr,var}
    ln -s ../bin "$ram/usr/bin"
    cp "${busybox[0]}" "$ram/bin/busybox"
    # Without the links to folders that this machine has in the place of some.
    ldd "${tests[@]/#/$home/disk/tests/}" "$home/disk/tests/doctor" | grep -oE '/[^ :]*\.so[^ :]*' | sort -u | while read -r library; do
        mkdir -p "$ram$(dirname "$library")"
        cp -L "$library" "$ram$library"
    done
    : >"$ram/modules/order"
    copy_module virtio_pci
    copy_module virtio_blk
    copy_module ext4
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$ram/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$ram/etc/group"
    printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n' >"$ram/etc/hosts"
    printf 'hosts: files dns\n' >"$ram/etc/nsswitch.conf"
    printf 'http 80/tcp\nhttps 443/tcp\n' >"$ram/etc/services"
    printf 'tcp 6 TCP\nudp 17 UDP\n' >"$ram/etc/protocols"
    echo guest >"$ram/etc/hostname"
    : >"$ram/etc/resolv.conf"
    : >"$ram/etc/fstab"
    cat >"$ram/init" <<INIT
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root TMPDIR=/tmp RUST_BACKTRACE=0
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
stty -F /dev/ttyS1 -opost
case " \$(cat /proc/cmdline) " in *" try "*) echo "## up" >/dev/ttyS1; reboot -f ;; esac
while read -r module; do insmod "/modules/\$module"; done </modules/order
ip link set lo up
hostname guest
ulimit -n 65536
mount -t ext4 /dev/vda /disk && mount --bind /disk/tmp /tmp && chmod 1777 /tmp
# The programs have this folder within them.
mkdir -p "$files" && mount --bind /disk/tmp "$files"
cd /disk/tests
exec </dev/null >/dev/ttyS1 2>&1
mkfifo /run/pipe
echo "## kernel \$(uname -r)"
for program in doctor:100 ${programs[@]}; do
    name=\${program%:*}
    echo "## begin \$name"
    begun=\$(date +%s)
    arguments="--show-output ${FILTER:-}"
    [ "\$name" = doctor ] && arguments=
    tee /run/said </run/pipe &
    tee=\$!
    timeout -s KILL "\${program#*:}" "/disk/tests/\$name" \$arguments >/run/pipe 2>&1
    status=\$?
    # What it has left behind may hold the pipe.
    sleep 1
    kill \$tee 2>/dev/null
    echo "## end \$status \$((\$(date +%s) - begun))"
    # What has failed says why, also if time has run out meanwhile, and whether it fails by itself.
    for test in \$(sed -nE 's/^test ([^ ]*).* \.\.\. FAILED.*/\1/p' /run/said | head -n 9); do
        echo "## again \$test"
        timeout -s KILL 200 "/disk/tests/\$name" --exact "\$test" --nocapture
        echo "## ended \$?"
    done
done
sync
echo "## done"
reboot -f
INIT
    chmod +x "$ram/init"
    (cd "$ram" && find . | "${busybox[0]}" cpio -o -H newc 2>/dev/null | gzip -1) >"$cache/initrd"
}

# Boots the kernel of `cache`: boot ACCELERATION LIMIT MORE-OF-ITS-COMMAND-LINE
boot() {
    # Where the processor is emulated on a busy machine, what a kernel finds out about its time stamps is wrong, and its time
    # may go several times too fast; nor does it find its timer in time.
    local processor=max clock="tsc=unstable clocksource=hpet no_timer_check"
    if [ "$1" = kvm ]; then
        processor=host clock=tsc=reliable
    fi
    : >"$cache/said"
    timeout -k 5 "$2" "${qemu[@]}" -accel "$1" -cpu "$processor" -smp "${PROCESSORS:-2}" -m "${MEMORY:-2048}" \
        -nodefaults -no-user-config -display none -no-reboot -kernel "$kernel" -initrd "$cache/initrd" \
        -append "console=ttyS0 panic=-1 quiet mitigations=off $clock random.trust_cpu=on $3" \
        -serial "file:$cache/console" -serial "file:$cache/said" \
        -drive "file=$cache/disk.image,format=raw,if=virtio,cache=unsafe" </dev/null >"$cache/qemu" 2>&1 || true
}

# A device for virtual machines may be there and not do, as within some virtual machines.
choose_acceleration() {
    acceleration=${ACCELERATION:-}
    [ -n "$acceleration" ] && return
    acceleration=tcg
    if [ -w /dev/kvm ]; then
        boot kvm 10 try
        if grep -q '^## up' "$cache/said"; then
            acceleration=kvm
        fi
    fi
}

# Gives one line of the table for each test program that the guest has run: rows KERNEL STATE-OF-WHAT-HAS-NOT-ENDED
rows() {
    awk -v kernel="$1" -v unended="$2" '
        function row() {
            printf "| %s | %s | %d | %d | %d | %d | %s | %s |\n",
                kernel, name, passed, failed, over, ignored, seconds, outcome
            passed = failed = over = ignored = summed = 0
            name = ""
        }
        /^## begin / { name = $3 == "doctor" ? "" : $3; next }
        name == "" { next }
        /^test .* \.\.\. ok$/ { passed++ }
        /^test .* \.\.\. FAILED$/ { failed++ }
        /^test .* \.\.\. ignored/ { ignored++ }
        /^passed over, / { over++ }
        /^test result: / { summed = 1 }
        /^## end / {
            seconds = $4
            outcome = $3 == 0 || $3 == 101 && summed ? "" : $3 == 137 ? "ran out of time" : "ended with " $3
            row()
        }
        END { if (name != "") { seconds = "?"; outcome = unended; row() } }
    ' "$cache/said"
}

# Says what has not passed, and what a test has passed over for want of something: a line each, of a kernel and a program.
details() {
    awk -v kernel="$1" '
        function say(text) { print kernel ", " name ": " text }
        /^## begin / { name = last = $3; split("", waiting); split("", over); trial = "it says nothing"; next }
        /^## again / { again = $3 }
        /^## ended / { print kernel ", " last ": by itself it " ($3 == 0 ? "passes: " : "fails: ") again }
        name == "" { next }
        name == "doctor" && /^trial: / { trial = $0 }
        /^test .* \.\.\. FAILED$/ { say($0) }
        /^test .* has been running for over 60 seconds/ { waiting[$2] = 1 }
        /^test .* \.\.\. / { delete waiting[$2] }
        /^passed over, / { over[$0]++ }
        /^## end / {
            if (name == "doctor") say(trial)
            if ($3 == 137) for (test in waiting) say("had no end: " test)
            for (text in over) say(over[text] " times " text)
            name = ""
        }
    ' "$cache/said"
}

# Puts what the guest of `suite` has said so far into its part of the table, in the place of what was known of these programs.
# How it stands with the program that has not ended is said by the caller.
note() {
    local version
    version=$(sed -n 's/^## kernel //p' "$cache/said")
    version=${version:-of $suite}
    rows "$version" "$1" >"$cache/rows.new"
    awk -F '|' 'NR == FNR { new[$3] = 1; print; next } !($3 in new)' "$cache/rows.new" "$cache/rows.known" >"$cache/rows"
    details "$version" >"$cache/details.new"
    sed -n 's/^## begin //p' "$cache/said" | awk -F '[,:]' '
        NR == FNR { new[" " $1] = 1; next }
        !($2 in new)
    ' - "$cache/details.known" | cat "$cache/details.new" - >"$cache/details"
    print_table >"$cache/table.part"
    mv "$cache/table.part" "$table"
}

# The table, of all that is known.
print_table() {
    echo "| kernel | tests | passed | failed | passed over | ignored | seconds | |"
    echo "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |"
    cat "$home"/*/rows 2>/dev/null || true
    echo
    cat "$home"/*/details 2>/dev/null || true
}

# Boots the kernel of `suite` and runs the tests in it. Fails if one does.
try_suite() {
    cp --sparse=always "$home/disk.image" "$cache/disk.image"
    echo "the kernel of Debian $suite runs (by $acceleration); what it says is in $cache/said" >&2
    : >"$cache/said"
    for part in rows details; do
        cp "$cache/$part" "$cache/$part.known" 2>/dev/null || : >"$cache/$part.known"
    done
    boot "$acceleration" $((limits + 600)) "" &
    local guest=$! good=0
    while kill -0 "$guest" 2>/dev/null; do
        sleep 5
        note "goes on"
    done
    wait "$guest" || true
    note "the guest died"
    rm -f "$cache/disk.image"
    if ! grep -q '^## done' "$cache/said"; then
        echo "the guest of $suite did not come to its end; its console ends so:" >&2
        tail -n 25 "$cache/console" "$cache/qemu" >&2
        good=1
    fi
    if grep -qE '^## end [^0]' "$cache/said"; then
        good=1
    fi
    return "$good"
}

table=$home/table
if [ "${ANEW:-}" = 1 ]; then
    rm -f "$home"/*/rows "$home"/*/details
fi
verdict=0 guests=()
for suite in "${suites[@]}"; do
    cache=$home/$suite
    mkdir -p "$cache"
    fetch linux-image-cloud-amd64 '^linux-(image|binary|modules)-[0-9]' || not_to_be_had "the kernel of Debian $suite"
    kernel=$(find "$cache/root/" -name 'vmlinuz*' -type f | head -n 1)
    make_ram_disk
    if [ -z "${acceleration:-}" ]; then
        : >"$cache/disk.image"
        choose_acceleration
    fi
    while [ "$(jobs -pr | wc -l)" -ge "${GUESTS:-1}" ]; do
        sleep 1
    done
    try_suite &
    guests+=($!)
done
for guest in "${guests[@]}"; do
    wait "$guest" || verdict=1
done
print_table | tee "$table"
exit "$verdict"
