//! Metrics of the resources available to the process, limited by the machine or by the process's cgroup.

use std::path::Path;

use opentelemetry::metrics::{Gauge, Meter};
use sysinfo::{Process, System};

use super::{names, process::file_descriptors_exhausted};

pub struct HostMetrics {
    memory_limit: Gauge<u64>,
    memory_available: Gauge<u64>,
    /// Averages over 1, 5 and 15 minutes.
    load: [Gauge<f64>; 3],
    cpu_limit: Gauge<f64>,
}

impl HostMetrics {
    pub fn new(meter: &Meter) -> Self {
        Self {
            memory_limit: meter
                .u64_gauge(names::SYSTEM_MEMORY_LIMIT)
                .with_unit("By")
                .with_description("Memory that the process may use, limited by the machine or the cgroup")
                .build(),
            memory_available: meter
                .u64_gauge(names::SYSTEM_MEMORY_AVAILABLE)
                .with_unit("By")
                .with_description(
                    "Memory still available to the process, limited by the machine or the cgroup",
                )
                .build(),
            load: [
                (names::SYSTEM_LOAD1, "Load average of the machine over 1 minute"),
                (names::SYSTEM_LOAD5, "Load average of the machine over 5 minutes"),
                (names::SYSTEM_LOAD15, "Load average of the machine over 15 minutes"),
            ]
            .map(|(name, description)| meter.f64_gauge(name).with_description(description).build()),
            cpu_limit: meter
                .f64_gauge(names::SYSTEM_CPU_LIMIT_CORES)
                .with_description("CPU cores that the process may use, limited by the machine or the cgroup")
                .build(),
        }
    }

    /// Records the current values. A container's limits can change while it runs.
    pub fn collect(&self, system: &System, process: &Process) {
        // Without a free file descriptor, cgroup files cannot be read. The process would appear to have no
        // limits.
        if file_descriptors_exhausted() {
            return;
        }
        let cgroup = process.cgroup_limits();
        let (total, available) =
            cgroup.map_or((u64::MAX, u64::MAX), |limits| (limits.total_memory, limits.free_memory));
        self.memory_limit.record(total.min(system.total_memory()), &[]);
        self.memory_available.record(available.min(system.available_memory()), &[]);
        if let Ok(load) = System::load_average() {
            for (gauge, load) in self.load.iter().zip([load.one, load.five, load.fifteen]) {
                gauge.record(load, &[]);
            }
        }
        self.cpu_limit.record(cpu_limit(), &[]);
    }
}

/// Returns the number of processors that the process may use. It is the lowest of the CPU affinity and the
/// quotas of the process's cgroup and its ancestors.
fn cpu_limit() -> f64 {
    let cgroups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let quota = quotas(Path::new("/sys/fs/cgroup"), &cgroups).into_iter().fold(f64::INFINITY, f64::min);
    quota.min(usable_processors())
}

#[cfg(target_os = "linux")]
fn usable_processors() -> f64 {
    let count = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count());
    f64::from(count)
}

#[cfg(not(target_os = "linux"))]
fn usable_processors() -> f64 {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(count).map_or(1.0, f64::from)
}

/// Returns the CPU quotas, in processors, of the given cgroups and their ancestors. `cgroups` has the format
/// of `/proc/self/cgroup`.
fn quotas(mount: &Path, cgroups: &str) -> Vec<f64> {
    // Each line is `hierarchy-id:controllers:path`.
    let cgroups = cgroups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let quotas = cgroups.flat_map(|(controllers, cgroup)| {
        let hierarchy = if controllers.is_empty() {
            mount.to_owned()
        } else if controllers.split(',').any(|controller| controller == "cpu") {
            mount.join(controllers)
        } else {
            return Vec::new();
        };
        let directory = hierarchy.join(cgroup.trim_start_matches('/'));
        // In a container, the path is often the host's, and its deeper directories do not exist. In this
        // case, the top directory is the container's cgroup.
        let directories = directory.ancestors().take_while(|directory| directory.starts_with(&hierarchy));
        directories.filter_map(|directory| quota_v2(directory).or_else(|| quota_v1(directory))).collect()
    });
    quotas.collect()
}

/// Returns the quota of a cgroup v2 directory, or `None` if it is missing or unlimited (`max`).
fn quota_v2(directory: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(directory.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

/// Returns the quota of a cgroup v1 directory, or `None` if it is missing or unlimited (`-1`).
fn quota_v1(directory: &Path) -> Option<f64> {
    let number = |file: &str| {
        let text = std::fs::read_to_string(directory.join(file)).ok()?;
        text.trim().parse::<f64>().ok().filter(|number| *number > 0.0)
    };
    Some(number("cpu.cfs_quota_us")? / number("cpu.cfs_period_us")?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Returns the quotas of a cgroup mount that contains `files`.
    fn read_quotas(files: &[(&str, &str)], cgroups: &str) -> Vec<f64> {
        let mount = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let file = mount.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        quotas(mount.path(), cgroups)
    }

    #[test]
    fn quotas_are_read_from_both_cgroup_versions() {
        let version2 = [("a/b/cpu.max", "150000 100000\n"), ("a/cpu.max", "max 100000\n")];
        assert_eq!(read_quotas(&version2, "0::/a/b\n"), [1.5]);
        assert_eq!(read_quotas(&[("cpu.max", "50000 100000\n")], "0::/\n"), [0.5]);

        let version1 = [
            ("cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n"),
            ("cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n"),
            ("cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n"),
            ("cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"),
        ];
        assert_eq!(read_quotas(&version1, "12:memory:/a\n4:cpu,cpuacct:/a/b\n3:cpuset:/\n0::/\n"), [2.5]);
        // Inside a container, the path is the host's.
        let container = [("cpu/cpu.cfs_quota_us", "50000\n"), ("cpu/cpu.cfs_period_us", "100000\n")];
        assert_eq!(read_quotas(&container, "2:cpu:/docker/0123\n"), [0.5]);
        assert_eq!(read_quotas(&[], "2:cpu:/\n0::/\n"), Vec::<f64>::new());
    }
}
