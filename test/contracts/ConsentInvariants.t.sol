// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ConsentHandler} from "./support/ConsentHandler.sol";
import {Test} from "./support/Test.sol";

/// @notice Over random histories: nothing is allowed outside window, epoch and status; a revocation never fails; no signature
/// is taken twice, after a revocation, on another chain or contract; a grant changes its own words alone.
contract ConsentInvariantsTest is Test {
    /// @dev As Foundry's runner asks for it.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    ConsentHandler private _handler;

    function setUp() public {
        _handler = new ConsentHandler();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory steps = new bytes4[](11);
        steps[0] = ConsentHandler.wait.selector;
        steps[1] = ConsentHandler.grantSent.selector;
        steps[2] = ConsentHandler.grantSigned.selector;
        steps[3] = ConsentHandler.relay.selector;
        steps[4] = ConsentHandler.revoke.selector;
        steps[5] = ConsentHandler.revokeAll.selector;
        steps[6] = ConsentHandler.breakGlass.selector;
        steps[7] = ConsentHandler.veto.selector;
        steps[8] = ConsentHandler.suspend.selector;
        steps[9] = ConsentHandler.pause.selector;
        steps[10] = ConsentHandler.relayElsewhere.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_handler), steps);
    }

    function invariant_contractAndModelDecideAlike() public {
        for (uint256 i = 0; i < 8; ++i) {
            _handler.compare((_handler.steps() * 8 + i) % _handler.QUESTIONS());
        }
    }

    /// @dev At the end of each history, everything.
    function afterInvariant() public {
        _handler.compareAll();
    }

    /// @dev The histories above would prove little if they were empty.
    function test_stepsDoHappen() public {
        _handler.grantSigned(0, true);
        _handler.relay(0, false);
        _handler.grantSent(2);
        assertEq(_handler.granted(), 2, "granted");
        assertEq(_handler.replays(), 1, "replayed in vain");
        for (uint256 way = 0; way < 5; ++way) {
            _handler.relayElsewhere(way << 96, false);
            _handler.relayElsewhere(way << 96, true);
        }
        assertEq(_handler.strangers(), 10, "relayed elsewhere in vain");
        _handler.compareAll();
    }
}
