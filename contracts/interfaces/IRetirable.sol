// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What every contract of Consentry has in place of an upgrade
/// @notice No contract can be changed. A new version is a new deployment, and the administrator points the old one at
/// it, once. A retired contract keeps its data readable for ever and registers and grants nothing more. What takes rights
/// away goes on, and so do anchors and audit heads, until their entity has moved.
interface IRetirable {
    /// @notice The administrator has pointed this contract at the version that follows it.
    event Retired(address indexed successor);

    /// @notice The contract has been retired; use `successor`.
    error RetiredInFavourOf(address successor);
    /// @notice Only the administrator may do this.
    error NotAdministrator(address caller);
    /// @notice The address is zero, this contract, or an account without code.
    error InvalidSuccessor(address successor);

    /// @notice Points at the next version. Administrator only; once; cannot be undone.
    /// @dev WARNING: no state moves with it. Clients follow the pointer and patients grant again.
    function retire(address successor) external;

    /// @notice Where to go on once this contract is retired. Clients ask it before they trust an address that they
    /// keep.
    /// @return The next version, or zero while this one is in force.
    function successor() external view returns (address);
}
