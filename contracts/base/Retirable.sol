// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRetirable} from "../interfaces/IRetirable.sol";

/// @notice See {IRetirable}, which is the specification.
abstract contract Retirable is IRetirable {
    /// @inheritdoc IRetirable
    address public successor;

    modifier onlyAdministrator() {
        if (msg.sender != _administrator()) revert NotAdministrator(msg.sender);
        _;
    }

    modifier whileInForce() {
        if (successor != address(0)) revert RetiredInFavourOf(successor);
        _;
    }

    /// @inheritdoc IRetirable
    function retire(address successor_) external onlyAdministrator whileInForce {
        if (successor_ == address(this) || successor_.code.length == 0) revert InvalidSuccessor(successor_);
        successor = successor_;
        emit Retired(successor_);
    }

    function _administrator() internal view virtual returns (address);
}
