// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {Retirable} from "./Retirable.sol";

/// @notice A contract that asks the identity registry who is who, and has the same administrator.
abstract contract IdentityClient is Retirable {
    IIdentityRegistry public immutable IDENTITY;

    constructor(IIdentityRegistry identity) {
        IDENTITY = identity;
    }

    function _administrator() internal view override returns (address) {
        return IDENTITY.administrator();
    }
}
