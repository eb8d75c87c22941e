"""Typed errors: each message is one line that says what was wrong, where, and what to do."""


class CousinsError(Exception):
    """Base of every error that a user can meet; `exit_code` is what the command line returns."""

    exit_code = 1


class CaptureError(CousinsError):
    """A capture cannot be read: unknown layout, damaged file, impossible poses."""


class ScanError(CousinsError):
    """A readable capture does not hold a scene: no support surface, no object."""


class LabelError(CousinsError):
    """A labeller failed: its model or server cannot be used, or gives no answer."""


class PackError(CousinsError):
    """A scene pack breaks its contract, or cannot be written."""


class EngineError(CousinsError):
    """An engine cannot step this pack."""


class ResultsError(CousinsError):
    """A table of policies' results cannot be read, or two of them do not go together."""


class PolicyError(CousinsError):
    """A policy cannot be loaded, or gives what are no actions."""


class MiningError(CousinsError):
    """A search for cousins that break a policy has nothing to give."""


class MissingDependencyError(CousinsError):
    """An optional part or a system library is not installed; the message says how to get it."""


class ProgramError(CousinsError):
    """Another program that was called failed; the message names what it said."""


class PluginError(CousinsError):
    """A part that another package brings does not load; the message names both."""


class UsageError(CousinsError):
    """The request itself makes no sense, such as zero cousins."""

    exit_code = 2


class PartlyFailedError(CousinsError):
    """Some of the work was done and kept, and some failed; the message counts both."""

    exit_code = 3
