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
# Environment: TESTS, the test programs to run; FILTER, arguments for each of them; ACCELERATION, kvm or tcg (kvm where it
# works); PROCESSORS (2), MEMORY in MiB (2048), PROGRAM_LIMIT in seconds (1500); CARGO_TARGET_DIR as usual.
set -eu

cd "$(dirname "$0")/.."
read -ra tests <<<"${TESTS:-network structure files streams sync runtime leftovers}"
read -ra suites <<<"${*:-bullseye bookworm trixie trixie-backports}"
[ "$(uname -m)" = x86_64 ] || { echo "the kernels are for x86_64" >&2; exit 77; }
mkdir -p "${CARGO_TARGET_DIR:-target}/kernels"
home=$(cd "${CARGO_TARGET_DIR:-target}/kernels" && pwd)
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
cd /disk/tests
exec </dev/null >/dev/ttyS1 2>&1
echo "## kernel \$(uname -r)"
for name in doctor ${tests[@]}; do
    echo "## begin \$name"
    begun=\$(date +%s)
    arguments="--show-output ${FILTER:-}"
    [ "\$name" = doctor ] && arguments=
    timeout -s KILL ${PROGRAM_LIMIT:-1500} "/disk/tests/\$name" \$arguments
    echo "## end \$? \$((\$(date +%s) - begun))"
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
    local processor=max
    [ "$1" = kvm ] && processor=host
    : >"$cache/said"
    timeout -k 5 "$2" "${qemu[@]}" -accel "$1" -cpu "$processor" -smp "${PROCESSORS:-2}" -m "${MEMORY:-2048}" \
        -nodefaults -no-user-config -display none -no-reboot -kernel "$kernel" -initrd "$cache/initrd" \
        -append "console=ttyS0 panic=-1 quiet mitigations=off tsc=reliable random.trust_cpu=on $3" \
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

# Gives one line of the table for each test program that the guest has run.
rows() {
    awk -v kernel="$1" '
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
        END { if (name != "") { seconds = "?"; outcome = "the guest died"; row() } }
    ' "$cache/said"
}

# Says what has not passed, and what a test has passed over for want of something.
details() {
    sed -n '/^## begin doctor/,/^## end/p' "$cache/said" | sed '1d;$d' >"$cache/doctor"
    echo "$1: $(grep '^trial: ' "$cache/doctor" || echo 'the doctor says nothing')"
    grep -E '^test .* \.\.\. FAILED$' "$cache/said" | sed "s/^/$1: /" || true
    awk '
        /^test .* has been running for over 60 seconds/ { waiting[$2] = 1 }
        /^test .* \.\.\. / { delete waiting[$2] }
        /^## end 137 / { for (test in waiting) print test }
        /^## begin / { split("", waiting) }
    ' "$cache/said" | sed "s/^/$1: had no end: /"
    grep -E '^passed over, ' "$cache/said" | sort | uniq -c | sed -E "s/^ *([0-9]+) /$1: \\1 times /" || true
}

table=$home/table
: >"$table.rows"
: >"$table.details"
verdict=0
for suite in "${suites[@]}"; do
    cache=$home/$suite
    mkdir -p "$cache"
    fetch linux-image-cloud-amd64 '^linux-(image|binary|modules)-[0-9]' || not_to_be_had "the kernel of Debian $suite"
    kernel=$(find "$cache/root/" -name 'vmlinuz*' -type f | head -n 1)
    make_ram_disk
    cp --sparse=always "$home/disk.image" "$cache/disk.image"
    [ -n "${acceleration:-}" ] || choose_acceleration
    echo "the kernel of Debian $suite runs (by $acceleration); what it says is in $cache/said" >&2
    boot "$acceleration" $(((${PROGRAM_LIMIT:-1500}) * (${#tests[@]} + 1))) ""
    rm -f "$cache/disk.image"
    version=$(sed -n 's/^## kernel //p' "$cache/said")
    rows "${version:-of $suite}" >>"$table.rows"
    details "${version:-of $suite}" >>"$table.details"
    if ! grep -q '^## done' "$cache/said"; then
        echo "the guest did not come to its end; its console ends so:" >&2
        tail -n 25 "$cache/console" "$cache/qemu" >&2
        verdict=1
    fi
    if grep -qE '^## end [^0]' "$cache/said"; then
        verdict=1
    fi
done

{
    echo "| kernel | tests | passed | failed | passed over | ignored | seconds | |"
    echo "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |"
    cat "$table.rows"
    echo
    cat "$table.details"
} | tee "$table"
exit "$verdict"
