//! What the process may use: the machine's or its cgroup's, whichever is lower.

use std::path::Path;

use opentelemetry::metrics::{Gauge, Meter};
use sysinfo::{Process, System};

use super::{names, process::fds_are_used_up};

/// The gauges of the limits.
pub struct HostMetrics {
    memory_limit: Gauge<u64>,
    memory_available: Gauge<u64>,
    /// Over 1, 5 and 15 minutes.
    load: [Gauge<f64>; 3],
    cpu_limit: Gauge<f64>,
}

impl HostMetrics {
    pub fn new(meter: &Meter) -> Self {
        Self {
            memory_limit: meter
                .u64_gauge(names::SYSTEM_MEMORY_LIMIT)
                .with_unit("By")
                .with_description("Memory that the process may use: the machine's or the cgroup's")
                .build(),
            memory_available: meter
                .u64_gauge(names::SYSTEM_MEMORY_AVAILABLE)
                .with_unit("By")
                .with_description("Memory that is left to the process: of the machine or of the cgroup")
                .build(),
            load: [names::SYSTEM_LOAD1, names::SYSTEM_LOAD5, names::SYSTEM_LOAD15]
                .map(|name| meter.f64_gauge(name).with_description("The machine's load").build()),
            cpu_limit: meter
                .f64_gauge(names::SYSTEM_CPU_LIMIT_CORES)
                .with_description("CPU cores that the process may use: the machine's or the cgroup's")
                .build(),
        }
    }

    /// Takes the values of now: a container's limits can change while it runs.
    pub fn collect(&self, system: &System, process: &Process) {
        // A limit that can't be read would look like none.
        if fds_are_used_up() {
            return;
        }
        let cgroup = process.cgroup_limits();
        let (total, free) =
            cgroup.map_or((u64::MAX, u64::MAX), |limits| (limits.total_memory, limits.free_memory));
        self.memory_limit.record(total.min(system.total_memory()), &[]);
        self.memory_available.record(free.min(system.available_memory()), &[]);
        if let Ok(load) = System::load_average() {
            for (gauge, load) in self.load.iter().zip([load.one, load.five, load.fifteen]) {
                gauge.record(load, &[]);
            }
        }
        self.cpu_limit.record(cpu_limit(), &[]);
    }
}

/// The processors that the process may run on, or less where its cgroup or one around it has a quota.
fn cpu_limit() -> f64 {
    let cgroups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let quota = quotas(Path::new("/sys/fs/cgroup"), &cgroups).into_iter().fold(f64::INFINITY, f64::min);
    quota.min(processors())
}

#[cfg(target_os = "linux")]
fn processors() -> f64 {
    let count = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count());
    f64::from(count)
}

#[cfg(not(target_os = "linux"))]
fn processors() -> f64 {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(count).map_or(1.0, f64::from)
}

/// What these cgroups (as in `/proc/self/cgroup`) and those around them allow, in processors.
fn quotas(mount: &Path, cgroups: &str) -> Vec<f64> {
    // A line each: a number, the controllers, the cgroup.
    let cgroups = cgroups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let quotas = cgroups.flat_map(|(controllers, cgroup)| {
        let hierarchy = if controllers.is_empty() {
            mount.to_owned()
        } else if controllers.split(',').any(|controller| controller == "cpu") {
            mount.join(controllers)
        } else {
            return Vec::new();
        };
        let folder = hierarchy.join(cgroup.trim_start_matches('/'));
        // In a container the first ones are often not there: its own cgroup is the top then.
        let folders = folder.ancestors().take_while(|folder| folder.starts_with(&hierarchy));
        folders.filter_map(|folder| quota(folder).or_else(|| quota_of_version_1(folder))).collect()
    });
    quotas.collect()
}

/// In cgroup 2. "max" is no number, and no quota.
fn quota(folder: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(folder.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

/// In cgroup 1. -1 is no quota.
fn quota_of_version_1(folder: &Path) -> Option<f64> {
    let number = |file: &str| {
        let text = std::fs::read_to_string(folder.join(file)).ok()?;
        text.trim().parse::<f64>().ok().filter(|number| *number > 0.0)
    };
    Some(number("cpu.cfs_quota_us")? / number("cpu.cfs_period_us")?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::fs;

    use super::*;

    /// Quotas in a folder with these files.
    fn read(files: &[(&str, &str)], cgroups: &str) -> Vec<f64> {
        let mount = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let file = mount.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        quotas(mount.path(), cgroups)
    }

    #[test]
    fn quotas_of_both_versions_of_cgroups() {
        let second = [("a/b/cpu.max", "150000 100000\n"), ("a/cpu.max", "max 100000\n")];
        assert_eq!(read(&second, "0::/a/b\n"), [1.5]);
        assert_eq!(read(&[("cpu.max", "50000 100000\n")], "0::/\n"), [0.5]);

        let first = [
            ("cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n"),
            ("cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n"),
            ("cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n"),
            ("cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"),
        ];
        assert_eq!(read(&first, "12:memory:/a\n4:cpu,cpuacct:/a/b\n3:cpuset:/\n0::/\n"), [2.5]);
        // Seen from within a container: the path is the host's.
        let own = [("cpu/cpu.cfs_quota_us", "50000\n"), ("cpu/cpu.cfs_period_us", "100000\n")];
        assert_eq!(read(&own, "2:cpu:/docker/0123\n"), [0.5]);
        assert_eq!(read(&[], "2:cpu:/\n0::/\n"), Vec::<f64>::new());
    }
}
