// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {Consortium} from "./support/Consortium.sol";
import {Wallet} from "./support/Wallet.sol";

/// @notice Who speaks for a party: custody and its end, change of controller, guardians and recovery.
contract CustodyTest is Consortium {
    string private constant NAME = "Consentry IdentityRegistry";

    function test_custodyShowsAndFollowsTheEntity() public {
        assertEq(identity.custodianOf(CAROL), A, "custodian");
        assertEq(identity.custodianOf(ALICE), 0, "own account");
        assertEq(identity.controllerOf(CAROL), a, "the custodian's controller");
        assertTrue(identity.speaksFor(CAROL, a), "custodian");
        assertFalse(identity.speaksFor(CAROL, b), "another entity");
        vm.prank(admin);
        identity.setStatus(A, IIdentityRegistry.Status.Suspended);
        assertFalse(identity.speaksFor(CAROL, a), "suspended custodian");
    }

    function test_claim() public {
        uint256 deadline = NOW + 600;
        bytes memory acceptance = changeSignature(CAROL, carol, deadline, CAROL_KEY);
        vm.expectEmit(address(identity));
        emit IIdentityRegistry.ControllerChanged(CAROL, a, carol);
        vm.expectEmit(address(identity));
        emit IIdentityRegistry.CustodyEnded(CAROL, A);
        vm.prank(a);
        identity.changeController(CAROL, carol, deadline, "", acceptance);
        assertEq(identity.custodianOf(CAROL), 0, "custody ended");
        assertEq(identity.controllerOf(CAROL), carol, "claimed");

        IConsentRegistry.Grant memory consent = grantOf(CAROL, B);
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, CAROL, a));
        consents.grant(consent);
        vm.prank(carol);
        consents.grant(consent);
        assertTrue(mayRead(CAROL, B), "the patient decides");
    }

    function test_claimNeedsBothSides() public {
        uint256 deadline = NOW + 600;
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, CAROL, carol));
        identity.changeController(CAROL, carol, deadline, "", "");
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, CAROL, carol));
        identity.changeController(CAROL, carol, deadline, "", "");
        // The patient may be the sender, with the custodian's agreement.
        bytes memory agreement = changeSignature(CAROL, carol, deadline, A_KEY);
        vm.prank(carol);
        identity.changeController(CAROL, carol, deadline, agreement, "");
        assertEq(identity.controllerOf(CAROL), carol, "claimed");
    }

    function test_aThirdPartyMayRelayTheClaim() public {
        uint256 deadline = NOW + 600;
        bytes memory agreement = changeSignature(CAROL, carol, deadline, A_KEY);
        bytes memory acceptance = changeSignature(CAROL, carol, deadline, CAROL_KEY);
        identity.changeController(CAROL, carol, deadline, agreement, acceptance);
        assertEq(identity.controllerOf(CAROL), carol, "claimed");
        // Used: the nonce has moved on.
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.InvalidController.selector));
        identity.changeController(CAROL, carol, deadline, agreement, acceptance);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.SignatureExpired.selector, deadline));
        identity.changeController(CAROL, stranger, deadline, agreement, acceptance);
    }

    function test_theCustodiansOwnAccountsDoNotEndACustody() public {
        vm.prank(a);
        identity.addOperator(A, stranger);
        bytes memory acceptance = changeSignature(CAROL, stranger, NOW, STRANGER_KEY);
        vm.prank(a);
        vm.expectRevert(IIdentityRegistry.InvalidController.selector);
        identity.changeController(CAROL, stranger, NOW, "", acceptance);
        vm.prank(a);
        vm.expectRevert(IIdentityRegistry.InvalidController.selector);
        identity.changeController(CAROL, a, NOW, "", "");
    }

    function test_aSuspendedCustodianMayStillLetGo() public {
        vm.prank(admin);
        identity.setStatus(A, IIdentityRegistry.Status.Suspended);
        bytes memory acceptance = changeSignature(CAROL, carol, NOW, CAROL_KEY);
        vm.prank(a);
        identity.changeController(CAROL, carol, NOW, "", acceptance);
        assertEq(identity.custodianOf(CAROL), 0, "free");
    }

    function test_changePatientToANewKey() public {
        bytes memory acceptance = changeSignature(ALICE, stranger, NOW, STRANGER_KEY);
        vm.prank(alice);
        identity.changeController(ALICE, stranger, NOW, "", acceptance);
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        bytes memory old = signed(consent, ALICE_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, ALICE));
        consents.grantSigned(consent, old);
        consents.grantSigned(consent, signed(consent, STRANGER_KEY));
        assertTrue(mayRead(ALICE, B), "the new key decides");
    }

    function test_whatTheFormerKeySignedIsVoidEvenIfItComesBack() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        bytes memory early = signed(consent, ALICE_KEY);
        bytes memory acceptance = changeSignature(ALICE, stranger, NOW, STRANGER_KEY);
        vm.prank(alice);
        identity.changeController(ALICE, stranger, NOW, "", acceptance);
        acceptance = changeSignature(ALICE, alice, NOW, ALICE_KEY);
        vm.prank(stranger);
        identity.changeController(ALICE, alice, NOW, "", acceptance);
        vm.expectPartialRevert(IConsentRegistry.InvalidNonce.selector);
        consents.grantSigned(consent, early);
    }

    function test_onlyTheIdentityRegistryTellsOfControllers() public {
        address[3] memory others = [admin, a, alice];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotIdentityRegistry.selector, others[i]));
            consents.controllerChanged(ALICE, others[i]);
        }
    }

    function test_aContractWalletSpeaksByErc1271() public {
        Wallet wallet = new Wallet(vm.addr(CAROL_KEY));
        bytes memory acceptance = changeSignature(CAROL, address(wallet), NOW, CAROL_KEY);
        vm.prank(a);
        identity.changeController(CAROL, address(wallet), NOW, "", acceptance);
        IConsentRegistry.Grant memory consent = grantOf(CAROL, B);
        bytes memory stranger_ = signed(consent, STRANGER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, CAROL));
        consents.grantSigned(consent, stranger_);
        consents.grantSigned(consent, signed(consent, CAROL_KEY));
        assertTrue(mayRead(CAROL, B), "granted by a contract wallet");
    }

    // ------------------------------------------------------------------ guardians

    function test_recoveryTakesTheGuardianAndTheDelay() public {
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, ALICE, stranger));
        identity.proposeRecovery(ALICE, stranger);
        vm.prank(alice);
        identity.setGuardian(ALICE, doctor);
        vm.prank(doctor);
        identity.proposeRecovery(ALICE, stranger);
        (address proposed, uint40 from) = identity.recoveryOf(ALICE);
        assertEq(proposed, stranger, "proposed");
        assertEq(from, NOW + RECOVERY_DELAY, "delay");
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.RecoveryNotDue.selector, from));
        identity.completeRecovery(ALICE);
        vm.warp(from);
        identity.completeRecovery(ALICE);
        assertEq(identity.controllerOf(ALICE), stranger, "recovered");
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NoRecovery.selector, ALICE));
        identity.completeRecovery(ALICE);
        // And the consent registry knows.
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        vm.prank(stranger);
        consents.grant(consent);
    }

    function test_thePresentControllerStopsARecovery() public {
        vm.prank(alice);
        identity.setGuardian(ALICE, doctor);
        vm.prank(doctor);
        identity.proposeRecovery(ALICE, stranger);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("CancelRecovery(bytes32 party,uint256 nonce,uint256 deadline)"),
                ALICE,
                identity.nonces(ALICE),
                uint256(NOW)
            )
        );
        bytes memory by = signature(address(identity), NAME, structHash, STRANGER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, ALICE, address(this)));
        identity.cancelRecoverySigned(ALICE, NOW, by);
        by = signature(address(identity), NAME, structHash, ALICE_KEY);
        identity.cancelRecoverySigned(ALICE, NOW, by);
        vm.warp(NOW + RECOVERY_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NoRecovery.selector, ALICE));
        identity.completeRecovery(ALICE);
    }

    function test_aNewGuardianEndsTheRecoveryOfTheOld() public {
        vm.prank(alice);
        identity.setGuardian(ALICE, doctor);
        vm.prank(doctor);
        identity.proposeRecovery(ALICE, stranger);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("SetGuardian(bytes32 party,address guardian,uint256 nonce,uint256 deadline)"),
                ALICE,
                b,
                identity.nonces(ALICE),
                uint256(NOW)
            )
        );
        bytes memory by = signature(address(identity), NAME, structHash, ALICE_KEY);
        identity.setGuardianSigned(ALICE, b, NOW, by);
        assertEq(identity.guardianOf(ALICE), b, "guardian");
        (address proposed,) = identity.recoveryOf(ALICE);
        assertEq(proposed, address(0), "cancelled");
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, ALICE, address(this)));
        identity.setGuardianSigned(ALICE, b, NOW, by);
    }

    function test_theAdministratorRecoversEntitiesNotPatients() public {
        vm.prank(admin);
        identity.proposeRecovery(A, stranger);
        vm.warp(NOW + RECOVERY_DELAY);
        identity.completeRecovery(A);
        assertTrue(identity.operates(A, stranger), "recovered");
        assertTrue(identity.speaksFor(CAROL, stranger), "custody follows");
        bytes32[2] memory patients = [ALICE, CAROL];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(admin);
            vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, patients[i], admin));
            identity.proposeRecovery(patients[i], admin);
        }
    }

    function test_noGuardianInCustody() public {
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, CAROL, a));
        identity.setGuardian(CAROL, stranger);
    }

    function changeSignature(bytes32 party, address controller, uint256 deadline, uint256 privateKey)
        private
        view
        returns (bytes memory)
    {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("ChangeController(bytes32 party,address controller,uint256 nonce,uint256 deadline)"),
                party,
                controller,
                identity.nonces(party),
                deadline
            )
        );
        return signature(address(identity), NAME, structHash, privateKey);
    }
}
