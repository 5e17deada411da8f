//! What a call is: functions and scripts, by file, by module and from the command line, and where they run.

mod code;
mod map;
mod placement;
mod run;
